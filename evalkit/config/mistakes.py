"""What pydantic finds wrong with a file, in the words of the file."""

from __future__ import annotations

from types import UnionType
from typing import Annotated, Any, Literal, NamedTuple, TypeGuard, Union, get_args, get_origin

from pydantic import BaseModel, RootModel, ValidationError

from evalkit.config.strict import nearest


def describe_mistake(error: Any, model: type[BaseModel], values: Any) -> list[str]:
    """Describe one mistake of a file, or the several that one of our own validators found at once.

    Parameters
    ----------
    error : dict
        One of `pydantic.ValidationError.errors`.
    model : type of BaseModel
        What the file should be.
    values : object
        What the file says.

    Returns
    -------
    list of str
        Each with its place, as ``"datasets.nih.views: there is no such key ..."``.
    """
    place = ".".join(_keys_written(error, values)) or "the file"
    if error["type"] == "extra_forbidden":
        *above, key = error["loc"]
        return [f"{place}: {_refuse_key(str(key), _branch_at(model, above, values))}"]
    if error["type"] == "union_tag_invalid":
        said, valid = error["ctx"], error["ctx"]["expected_tags"].replace("'", "").split(", ")
        key = said["discriminator"].strip("'")
        return [f"{place}.{key} is {said['tag']!r}, which does not exist{nearest(said['tag'], valid)}"]
    if error["type"] == "value_error":
        # Our own validators give one argument for each mistake.
        return [f"{place}: {message}" for message in error["ctx"]["error"].args]
    text = error["msg"]
    if error["type"] in ("model_type", "model_attributes_type"):
        text = f"expected a mapping {_contents(_branch_at(model, error['loc'], values).models)}"
    given = error.get("input")
    shown = isinstance(given, str | int | float | bool | None)
    return [f"{place}: {text}{f', found {given!r}' if shown else ''}"]


class _Branch(NamedTuple):
    """The models that a place of a file may hold, and those that another tag would have chosen there.

    Tags are the values of keys such as ``method`` and ``format``, by which pydantic chooses among models.
    """

    models: list[type[BaseModel]]
    others: list[type[BaseModel]]


def _refuse_key(key: str, branch: _Branch) -> str:
    valid = nearest(key, sorted({name for each in branch.models for name in each.model_fields}))
    tags = [repr(tag) for each in branch.models for tag in _tags(each)]
    having = [repr(tag) for each in branch.others if key in each.model_fields for tag in _tags(each)]
    if tags and having:
        return f"there is no such key for {tags[0]}, only for {' and '.join(having)}{valid}"
    return f"there is no such key{valid}"


def _contents(models: list[type[BaseModel]]) -> str:
    """What is to be written where a model is expected."""
    first, *others = models
    needed = [
        name
        for name, each in first.model_fields.items()
        if each.is_required() and all(name in other.model_fields for other in others)
    ]
    if needed:
        return f"with {', '.join(needed)}"
    try:
        first.model_validate({})
    except ValidationError:
        return f"with any of {', '.join(first.model_fields)}"
    return f"with any of {', '.join(first.model_fields)}; {{}} takes the defaults"


def _keys_written(error: Any, values: Any) -> list[str]:
    """A place as the file spells it: without the tags and the branches of a union that pydantic adds."""
    place, written = error["loc"], []
    for position, part in enumerate(place):
        inside = _is_inside(part, values)
        if inside or (error["type"] == "missing" and position == len(place) - 1):
            written.append(str(part))
            values = values[part] if inside else None
    return written


def _is_inside(part: str | int, values: Any) -> bool:
    return isinstance(values, dict | list) and part in (values if isinstance(values, dict) else range(len(values)))


def _branch_at(model: type[BaseModel], place: Any, values: Any) -> _Branch:
    """Follow a place that pydantic names, through the file's keys and through tags, which are no keys."""
    chosen: list[Any] = _alternatives(model)
    others: list[Any] = []
    for part in place:
        if _is_inside(part, values):
            values = values[part]
            chosen, others = [deeper for each in chosen for deeper in _inside(each, part)], []
        elif tagged := [each for each in chosen if part in _tags(each)]:
            chosen, others = tagged, [each for each in chosen if each not in tagged]
    return _Branch([each for each in chosen if _is_model(each)], [each for each in others if _is_model(each)])


def _inside(annotation: Any, part: str | int) -> list[Any]:
    """What a key of a model or of a mapping, or a place in a list, leads to."""
    if _is_model(annotation):
        field = annotation.model_fields.get(str(part))
        return _alternatives(field.annotation) if field else []
    return _alternatives(get_args(annotation)[-1]) if get_origin(annotation) in (dict, list) else []


def _alternatives(annotation: Any) -> list[Any]:
    """What an annotation allows, one by one."""
    if _is_model(annotation) and issubclass(annotation, RootModel):
        return _alternatives(annotation.model_fields["root"].annotation)
    if get_origin(annotation) is Annotated:
        return _alternatives(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [each for argument in get_args(annotation) for each in _alternatives(argument)]
    return [annotation]


def _tags(annotation: Any) -> list[str]:
    """The tags by which pydantic chooses a model: the one value that a key must have."""
    fields = annotation.model_fields.values() if _is_model(annotation) else ()
    literals = [get_args(each.annotation) for each in fields if get_origin(each.annotation) is Literal]
    return [values[0] for values in literals if len(values) == 1]


def _is_model(annotation: Any) -> TypeGuard[type[BaseModel]]:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
