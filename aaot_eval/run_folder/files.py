"""Bytes on disk: text, tables and JSON written the same way everywhere, and files replaced in one step."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from aaot_eval.engine import moving
from aaot_eval.errors import InputError, Problem
from aaot_eval.schema import schema_names, table_schema


def write_parquet(path: Path, frame: pd.DataFrame) -> None:
    """A table as Parquet; a column that mixes numbers and the symbol of a hidden cell becomes text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    plain = frame.copy()
    for column in (c for c in plain.columns if pd.api.types.is_object_dtype(plain[c].dtype)):
        plain[column] = (
            plain[column].map(lambda v: v if v is None or isinstance(v, str) or pd.isna(v) else str(v)).astype("string")
        )
    plain.to_parquet(path, index=False)


def typed(table: str, frame: pd.DataFrame) -> pd.DataFrame:
    """A released table as it was before Parquet: numbers beside the symbol of a hidden cell are numbers again."""
    numeric = {c.name for c in table_schema("release", table).columns if c.type in ("integer", "number")} \
        if table in schema_names("release") else set()  # fmt: skip
    for column in numeric.intersection(frame.columns[[isinstance(t, pd.StringDtype) for t in frame.dtypes]]):
        frame[column] = pd.Series([_number(v) for v in frame[column]], index=frame.index, dtype=object)
    return frame


def _number(text: Any) -> Any:
    if not isinstance(text, str):
        return None
    try:
        return int(text)
    except ValueError:
        try:
            return float(text)
        except ValueError:
            return text


def write_text(path: Path, text: str) -> None:
    """Text as UTF-8 with plain line ends, in a folder made when it is not there."""
    write_bytes(path, text.replace("\r\n", "\n").encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Bytes, in a folder made when it is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def write_json(path: Path, document: Mapping[str, Any]) -> str:
    """A document as ASCII JSON; returns the hash of what was written."""
    content = json_bytes(document)
    write_bytes(path, content)
    return sha256(content)


def json_bytes(document: Mapping[str, Any]) -> bytes:
    """A document as ASCII JSON."""
    return (json.dumps(_plain(document), indent=1, ensure_ascii=True, allow_nan=False) + "\n").encode()


def _plain(value: Any) -> Any:
    """JSON's own types: numpy scalars as numbers, periods and dates as text, a missing number as null."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [_plain(v) for v in value]
    if hasattr(value, "item") and not isinstance(value, (str, bytes)):
        value = value.item()
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None
    return value if value is None or isinstance(value, (str, int, bool)) else str(value)


def replace(source: Path, target: Path) -> None:
    """Move a file or folder to its place. Raises InputError (C130) when another program keeps what is there open."""
    try:
        moving.replace(source, target)
    except PermissionError:
        raise InputError(
            Problem("C130", f"{target.name} cannot be replaced: another program holds it", where=str(target),
                    do="close the spreadsheet, viewer or window that has it open; then run again")
        ) from None  # fmt: skip


def replace_text(path: Path, text: str) -> None:
    """Replace a small text file in one step, so that no reader sees half of it."""
    new = path.with_name(f".{path.name}_{os.getpid()}")
    write_text(new, text)
    replace(new, path)


def sha256(content: bytes) -> str:
    """The SHA-256 of some bytes, in hex."""
    return hashlib.sha256(content).hexdigest()


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def text_sha256(path: Path) -> str:
    """The SHA-256 of a file whose line ends do not count, in hex: a copy made on another system is the same file."""
    return sha256(path.read_bytes().replace(b"\r\n", b"\n"))
