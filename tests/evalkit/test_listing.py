"""What lies below a folder: in order, without what operating systems leave, and noticed when it changes."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from evalkit.errors import InputError
from evalkit.listing import list_files, listing_state


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for path in ("b/2.png", "b/1.png", "a.csv", "b/c/d/3.png"):
        (tmp_path / "x" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "x" / path).write_text(path)
    return tmp_path / "x"


def paths(root: Path) -> list[str]:
    return [path for path, _ in list_files(root)]


def test_files_come_in_order_with_slashes(folder):
    assert paths(folder) == ["a.csv", "b/1.png", "b/2.png", "b/c/d/3.png"]


@pytest.mark.parametrize("name", [".DS_Store", "b/.hidden.png", "__MACOSX/b/1.png", "b/Thumbs.db", ".git/x/y.png"])
def test_what_systems_leave_behind_is_passed_over(folder, name):
    before = listing_state(folder)
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("x")
    assert len(paths(folder)) == 4
    assert listing_state(folder) == before


def test_links_are_listed_and_not_followed(folder):
    (folder / "b" / "loop").symlink_to(folder)
    assert paths(folder) == ["a.csv", "b/1.png", "b/2.png", "b/c/d/3.png", "b/loop"]
    (folder / "b" / "nowhere.png").symlink_to(folder / "gone.png")
    assert listing_state(folder).startswith("6 files, ")


def test_a_folder_that_is_not_there_is_refused_by_name(tmp_path):
    with pytest.raises(InputError, match=r"gone: No such file"):
        list_files(tmp_path / "gone")


def test_names_and_sizes_make_the_state_and_times_do_not(folder, tmp_path):
    state = listing_state(folder)
    shutil.copytree(folder, tmp_path / "copy")
    os.utime(folder / "a.csv", (1, 1))
    assert listing_state(folder) == listing_state(tmp_path / "copy") == state
    (folder / "b" / "1.png").write_text("longer than before")
    changed = listing_state(folder)
    (folder / "b" / "1.png").rename(folder / "b" / "4.png")
    assert len({state, changed, listing_state(folder)}) == 3


def test_no_files_are_absent(tmp_path):
    assert listing_state(tmp_path) == listing_state(tmp_path / "gone") == "absent"
