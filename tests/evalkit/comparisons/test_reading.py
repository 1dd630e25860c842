"""Tables as people and programs write them: separators, decimal commas, indices, encodings, spellings of ids."""

import numpy as np
import pandas as pd
import pytest

from evalkit.comparisons.files.reading import read_table
from evalkit.comparisons.files.spelling import as_text, to_numbers
from evalkit.comparisons.free_form import Options, compare_files
from evalkit.errors import InputError

N = 60
_RNG = np.random.default_rng(9)
IDS = [f"{k:04d}" for k in range(N)]
LABELS = pd.DataFrame({"image_id": IDS, "label": _RNG.integers(0, 2, N)})
SCORES = {
    name: pd.DataFrame({"image_id": IDS, "prob": (LABELS["label"] * gain + _RNG.normal(size=N)).round(4)})
    for name, gain in (("a", 1.5), ("b", 0.5))
}


def compare(folder, ending="csv"):
    paths = [folder / f"{name}.{ending}" for name in ("labels", "a", "b")]
    return compare_files(paths[0], paths[1:], Options())


@pytest.fixture
def write(tmp_path):
    """Write the three tables by a function of (path, frame), after a change of each."""

    def to(how, ending="csv", change=lambda frame: frame):
        for name, frame in {"labels": LABELS, **SCORES}.items():
            how(tmp_path / f"{name}.{ending}", change(frame.copy()))

    return to


@pytest.fixture
def estimates(tmp_path, write):
    """What the tidy tables give."""
    write(lambda path, frame: frame.to_csv(path, index=False))
    return compare(tmp_path).rows["estimate"].tolist()


def text_of(comparison):
    return "\n".join(comparison.notes)


@pytest.mark.parametrize(
    ("ending", "separator"), [("csv", ";"), ("CSV", "\t"), ("txt", "|"), ("tsv", "\t"), ("TSV", ",")]
)
def test_separators_are_recognised(tmp_path, write, estimates, ending, separator):
    write(lambda path, frame: frame.to_csv(path, index=False, sep=separator), ending)
    assert compare(tmp_path, ending).rows["estimate"].tolist() == estimates


def test_decimal_commas_are_read_where_commas_do_not_separate(tmp_path, write, estimates):
    write(lambda path, frame: frame.to_csv(path, index=False, sep=";", decimal=","))
    comparison = compare(tmp_path)
    assert comparison.rows["estimate"].tolist() == estimates
    assert "a.csv, b.csv: commas in numbers were read as decimal points: prob" in comparison.notes
    write(lambda path, frame: frame.to_csv(path, index=False, decimal=","))
    with pytest.raises(InputError, match=r"a\.csv, line 2: the score 'prob' is '-?\d+,\d+'") as caught:
        compare(tmp_path)
    assert "decimal points" in caught.value.remedy


def test_text_with_commas_is_no_number(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("image_id;size;note\n1;2,5;1,2,3\n2;3;1,5\n3;;2,5\n")
    frame = read_table(path, "image_id").frame
    assert frame["size"].tolist() == ["2.5", "3", ""]
    assert frame["note"].tolist() == ["1,2,3", "1,5", "2,5"]


@pytest.mark.parametrize("twice", [False, True])
def test_an_index_of_pandas_is_no_prediction(tmp_path, write, estimates, twice):
    def how(path, frame):
        frame.to_csv(path)
        if twice:
            pd.read_csv(path, dtype=str).to_csv(path)

    write(how)
    comparison = compare(tmp_path)
    assert comparison.rows["estimate"].tolist() == estimates
    assert "an index of pandas" in text_of(comparison)


def test_values_are_compared_without_indices(tmp_path):
    for name, frame in SCORES.items():
        frame.reset_index().assign(__index_level_0__=range(N)).to_parquet(tmp_path / f"{name}.parquet")
    comparison = compare_files(None, [tmp_path / "a.parquet", tmp_path / "b.parquet"], Options())
    assert set(comparison.rows["metric"]) == {"prob"}
    assert "an index of pandas" in text_of(comparison)


def test_ids_may_be_the_index_of_a_parquet_file(tmp_path, write, estimates):
    write(lambda path, frame: frame.set_index("image_id").to_parquet(path), "parquet")
    assert compare(tmp_path, "parquet").rows["estimate"].tolist() == estimates
    write(lambda path, frame: frame.sample(frac=1, random_state=1).to_parquet(path), "PARQUET")
    assert compare(tmp_path, "PARQUET").rows["estimate"].tolist() == estimates


def test_an_id_column_without_a_name_is_told(tmp_path, write, estimates):
    write(lambda path, frame: frame.rename(columns={"image_id": ""}).to_csv(path, index=False))
    with pytest.raises(InputError, match="has no column 'image_id'") as caught:
        compare(tmp_path)
    assert "without a name" in caught.value.remedy


@pytest.mark.parametrize("change", [lambda each: str(int(each)), lambda each: f"{int(each)}.0"])
def test_ids_that_are_the_same_numbers_are_joined(tmp_path, write, estimates, change):
    def of_predictions(frame):
        return frame if "label" in frame else frame.assign(image_id=frame["image_id"].map(change)).sample(frac=1)

    write(lambda path, frame: frame.to_csv(path, index=False), change=of_predictions)
    comparison = compare(tmp_path)
    assert comparison.rows["estimate"].tolist() == estimates
    assert "joined as a whole number" in text_of(comparison)
    assert len(comparison.notes) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda each: f"images/{each}.png", "60 would be the same but for folders and endings"),
        (lambda each: str(int(each) + 1), "59 would be the same but for zeros"),
        (lambda each: f"other-{each}", "no image_id in common: 'other-0000', 'other-0001', ... and '0000'"),
        (lambda each: f"{int(each) // 2 * 2}.{int(each) % 2}", "no image_id in common"),
    ],
)
def test_ids_that_differ_are_told_how(tmp_path, write, estimates, change, message):
    def of_predictions(frame):
        return frame if "label" in frame else frame.assign(image_id=frame["image_id"].map(change))

    write(lambda path, frame: frame.to_csv(path, index=False), change=of_predictions)
    with pytest.raises(InputError, match=message) as caught:
        compare(tmp_path)
    assert caught.value.expected
    assert "--id" in caught.value.remedy


def test_numbers_that_two_ids_share_join_nothing(tmp_path):
    pd.DataFrame({"image_id": ["1", "01"], "label": [0, 1]}).to_csv(tmp_path / "labels.csv", index=False)
    for name in "ab":
        pd.DataFrame({"image_id": ["1", "001"], "p": [0.1, 0.2]}).to_csv(tmp_path / f"{name}.csv", index=False)
    with pytest.raises(InputError, match=r"'001' is not in"):
        compare(tmp_path)


@pytest.mark.parametrize("words", [("False", "True"), ("FALSE", "TRUE"), ("false", "true")])
def test_true_and_false_are_1_and_0(tmp_path, write, estimates, words):
    def in_words(frame):
        return frame.assign(label=np.where(frame["label"] == 1, words[1], words[0])) if "label" in frame else frame

    write(lambda path, frame: frame.to_csv(path, index=False), change=in_words)
    assert compare(tmp_path).rows["estimate"].tolist() == estimates
    write(lambda path, frame: frame.to_csv(path, index=False))
    decided = compare(tmp_path)
    for name, frame in SCORES.items():
        called = frame["prob"] > 0.5
        frame[["image_id"]].assign(pred=np.where(called, words[1], words[0])).to_csv(
            tmp_path / f"{name}.csv", index=False
        )
    decided = compare(tmp_path).rows
    truth = LABELS["label"] == 1
    assert set(decided["metric"]) == {"accuracy"}
    expected = [((SCORES[name]["prob"] > 0.5) == truth).mean() for name in decided["backbone"]]
    assert decided["estimate"].tolist() == pytest.approx(expected)


def test_booleans_of_parquet_are_1_and_0():
    for dtype in ("bool", "boolean"):
        column = pd.Series([True, False], dtype=dtype)
        assert as_text(column).tolist() == ["1", "0"]
        assert to_numbers(column).tolist() == [1.0, 0.0]


def test_large_whole_numbers_are_kept_apart():
    assert as_text(pd.Series(["1e300", "2e300", "3.0", "-2"])).tolist() == ["1e300", "2e300", "3", "-2"]


def test_per_cent_is_divided_by_100(tmp_path):
    for name, frame in SCORES.items():
        frame.assign(prob=[f"{100 * each:.2f} %" for each in frame["prob"]]).to_csv(
            tmp_path / f"{name}.csv", index=False
        )
    comparison = compare_files(None, [tmp_path / "a.csv", tmp_path / "b.csv"], Options())
    expected = [SCORES[name]["prob"].mean() for name in comparison.rows["backbone"]]
    assert comparison.rows["estimate"].tolist() == pytest.approx(expected)
    assert "a.csv, b.csv: 'prob' is in per cent and was divided by 100" in comparison.notes


@pytest.mark.parametrize(
    ("value", "remedy"),
    [
        ("", "predict these cases"),
        ("NA", "predict these cases"),
        ("23.88%", "all of them in per cent, or none"),
        ("0,5", "decimal points"),
        ("yes", "write 1 and 0"),
        ("high", "correct it"),
    ],
)
def test_what_is_no_number_comes_with_its_own_remedy(tmp_path, write, estimates, value, remedy):
    scores = SCORES["a"].astype(str)
    scores.loc[3, "prob"] = value
    scores.to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(InputError, match=rf"a\.csv, line 5: the score 'prob' is {value!r} \(1 such row\)") as caught:
        compare(tmp_path)
    assert remedy in caught.value.remedy
    assert ("predict these cases" in caught.value.remedy) == (value in ("", "NA"))


def test_a_mark_of_utf_8_and_other_ends_of_lines_are_read(tmp_path, write, estimates):
    write(lambda path, frame: frame.to_csv(path, index=False, encoding="utf-8-sig", lineterminator="\r\n"))
    assert compare(tmp_path).rows["estimate"].tolist() == estimates
    write(lambda path, frame: frame.to_csv(path, index=False, lineterminator="\r"))
    assert compare(tmp_path).rows["estimate"].tolist() == estimates


def test_lines_are_counted_as_an_editor_does(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("\nimage_id,p\n1,0.2\n\n2,0.3\n,\n1,0.4\n")
    with pytest.raises(InputError, match="line 7: image_id '1' is there a second time"):
        read_table(path, "image_id")


@pytest.mark.parametrize(
    ("content", "message", "remedy"),
    [
        ("image_id,prob,Größe\n1,2,3\n".encode("latin-1"), "line 1: this is not text in UTF-8", "save it as UTF-8"),
        ("image_id,prob\n1,2\n".encode("utf-16"), "this is not text in UTF-8", "save it as UTF-8"),
        ("image_id,prob\n1,2\n".encode("utf-16-le"), "this is not text in UTF-8", "save it as UTF-8"),
        (b"", "a.csv is empty", "check how"),
        (b" \n", "a.csv is empty", "check how"),
        (b"image_id,prob,prob\n1,2,3\n", "the column 'prob' twice", "rename one"),
        (b"image_id,prob\n1,2,3\n", "more fields than its header has names", "remove separators"),
        (b"image_id,prob\n1,2\n2,3,4,5\n", "more fields|cannot be read", ""),
        (b"image_id,prob\n", "has no row", "check how"),
        (b"[" + b"1," * 100_000 + b"1]", "cannot be read", "check it"),
    ],
)
def test_text_that_cannot_be_read_is_refused(tmp_path, content, message, remedy):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_table(path, "image_id")
    assert caught.value.expected
    assert remedy in caught.value.remedy


def test_paths_that_are_no_files_are_refused(tmp_path):
    for ending in ("csv", "parquet"):
        with pytest.raises(InputError, match="does not exist"):
            read_table(tmp_path / f"absent.{ending}", "image_id")
        with pytest.raises(InputError, match="there is no folder"):
            read_table(tmp_path / "none" / f"absent.{ending}", "image_id")
        (tmp_path / f"folder.{ending}").mkdir()
        with pytest.raises(InputError, match="is a folder"):
            read_table(tmp_path / f"folder.{ending}", "image_id")
    (tmp_path / "a.parquet").write_text("image_id,prob\n")
    with pytest.raises(InputError, match="cannot be read"):
        read_table(tmp_path / "a.parquet", "image_id")
