"""Rows of a file on their way into the readings kept, and out of them again."""

from __future__ import annotations

import os
import shutil
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from aaot_eval.engine import ReadPlan, ReadReport
from aaot_eval.engine.duckdb_reading import REJECTS, rows_of, write_rows
from aaot_eval.engine.kept import plain
from aaot_eval.engine.steps import text_literal

REJECT_COLUMNS = 'line, "column", reason, value_class, row_lost'


def keep(db: Any, plan: ReadPlan, part: Path, report: ReadReport) -> None:
    """Hold the rows of a file that has just been read, and its rejects, as a new entry."""
    if plan.kept is None:
        return
    plan.kept.staging.mkdir(parents=True, exist_ok=True, mode=0o700)
    _also_as(part, plan.kept.rows)
    if report.rejected_lines or report.bad_cells:
        rejected = f"SELECT {REJECT_COLUMNS} FROM {REJECTS} WHERE file = {text_literal(plan.name)}"
        write_rows(db, rejected, plan.kept.rejects)
    plan.kept.write_note(plan.file, plain(report))


def take(db: Any, plan: ReadPlan, part: Path) -> ReadReport:
    """The rows of a file as they were kept, now also as `part`; its rejects; and the report of the reading that made them."""
    if plan.kept is None:
        raise ValueError("there is no entry to take")
    part.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    _also_as(plan.kept.rows, part)
    if plan.kept.rejects.is_file():
        db.execute(
            f"INSERT INTO {REJECTS} SELECT {text_literal(plan.name)}, {REJECT_COLUMNS} FROM {rows_of([plan.kept.rejects])}"
        )
    known = {f.name for f in fields(ReadReport)}
    noted = {k: v for k, v in plan.kept.note["report"].items() if k in known}
    report = ReadReport(**noted | {"name": plan.name})
    return replace(report, opted_out_places=tuple(report.opted_out_places), taken=True)


def _also_as(path: Path, other: Path) -> None:
    """The same file under another name: an entry may go while its rows are being used, and costs no copy where the disk can do without."""
    try:
        os.link(path, other)
    except OSError:
        shutil.copyfile(path, other)
