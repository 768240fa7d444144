"""A TOML file as a record, or every problem of the file at once."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from aaot_eval.config.parts import FOLDERS, PATTERNS, YEAR_PATTERN
from aaot_eval.errors import InputError, Problem

Record = TypeVar("Record", bound=BaseModel)


def read_record(path: Path, model: type[Record]) -> Record:
    """A TOML file as the model says; InputError (C100 to C104) with every problem of the file at once."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        near = (
            difflib.get_close_matches(path.name, [p.name for p in path.parent.glob("*.toml")], n=3)
            if path.parent.is_dir()
            else []
        )
        raise InputError(
            Problem(
                "C100",
                f"there is no config file {path}",
                allowed=f"close: {', '.join(near)}" if near else "",
                do="check the path, or make one with `aaot-eval init`",
            )
        ) from None
    except IsADirectoryError:
        raise InputError(
            Problem("C100", f"{path} is a folder, not a config file", do="name the .toml file in it")
        ) from None
    except (OSError, UnicodeDecodeError) as fault:
        raise InputError(
            Problem("C100", f"{path} cannot be read: {type(fault).__name__}", do="save it as UTF-8 text")
        ) from None
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        do = "mend the line named"
        if "\\" in str(fault) or "hex value" in str(fault):
            do = FOLDERS
        raise InputError(Problem("C101", f"{path} is not valid TOML: {fault}", do=do)) from None
    try:
        return model.model_validate(document)
    except ValidationError as fault:
        raise InputError(*dict.fromkeys(_problem(path, e, model) for e in _one_a_key(fault.errors()))) from None


#: The kinds of value that a period may have, as the places of faults name them.
PERIOD_KINDS = ("str", "constrained-str", "int", "date")


def _one_a_key(errors: Sequence[Any]) -> list[Any]:
    """The faults of a file; one for each key where a period, or a list of them, is none of the kinds that it may be."""
    kept: dict[Any, Any] = {}
    for k, error in enumerate(errors):
        place = tuple(error["loc"])
        if (
            place
            and place[-1] in PERIOD_KINDS
            and str(error["type"]).endswith(("_type", "_parsing", "_from_date_parsing"))
        ):
            listed = len(place) > 2 and isinstance(place[-2], int)
            key = place[:-2] if listed else place[:-1]
            what = PERIOD_LIST if listed else "a period, such as 2018-04"
            kept.setdefault(key, {"type": "period", "loc": key, "msg": f"is not {what}", "input": error.get("input")})
        elif error["type"] == "list_type" and place[-1:] and place[-1] in PERIOD_LISTS:
            kept[place] = {**error, "msg": f"is not {PERIOD_LIST}"}
        else:
            kept[(*place, k)] = error
    return list(kept.values())


#: The keys that are lists of periods, and how such a list is written.
PERIOD_LISTS = ("interruptions", "left_out", "window")
PERIOD_LIST = 'a list of periods, such as ["2018-04", "2020-04"]'


def _fields_at(location: tuple[str | int, ...], model: Any) -> list[str]:
    """The keys allowed where a location of the record points to."""
    for part in location:
        if isinstance(part, int) or not (isinstance(model, type) and issubclass(model, BaseModel)):
            continue
        field = model.model_fields.get(part)
        if field is None:
            break
        annotation = field.annotation
        options = [annotation, *getattr(annotation, "__args__", ())]
        models = [o for o in options if isinstance(o, type) and issubclass(o, BaseModel)]
        model = models[0] if models else annotation
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []


def _problem(path: Path, error: Any, model: type[BaseModel]) -> Problem:
    location = tuple(error["loc"])
    where = ".".join(str(p) for p in location) or "the file"
    if error["type"] == "extra_forbidden":
        allowed = _fields_at(location[:-1], model)
        near = difflib.get_close_matches(str(location[-1]), allowed, n=1)
        return Problem(
            "C102",
            f"unknown key {where!r}",
            where=str(path),
            allowed=", ".join(allowed),
            do=f"did you mean {near[0]!r}?" if near else "remove the key, or use one that is allowed",
        )
    if error["type"] == "missing":
        return Problem("C103", f"the key {where!r} is missing", where=str(path), do=f"add {location[-1]} = ...")
    message = str(error["msg"]).removeprefix("Value error, ")
    return Problem("C104", f"{where}: {message}", where=str(path), allowed=_allowed_in_words(error), do=_mended(error))


def _mended(error: Any) -> str:
    """What to write in the place of a year or a share that is written in another way."""
    rule, given = error.get("ctx", {}), error.get("input")
    year = re.fullmatch(r"(\d{4})\D?(?:\d{2})?(\d{2})", given) if isinstance(given, str) else None
    if rule.get("pattern") == YEAR_PATTERN and year:
        return f"write {year[1]}/{year[2]}"
    if rule.get("le") == 1 and isinstance(given, int | float) and 1 < given <= 100:
        return f"shares go from 0 to 1: write {given / 100:g}"
    return "mend the value"


def _allowed_in_words(error: Any) -> str:
    """What may stand where the fault is, in words; empty when the message has said it."""
    pattern = error.get("ctx", {}).get("pattern")
    if pattern:
        return PATTERNS.get(str(pattern), str(pattern))
    choices = error.get("ctx", {}).get("expected")
    return str(choices).replace("'", "").replace(" or ", ", ") if choices else ""
