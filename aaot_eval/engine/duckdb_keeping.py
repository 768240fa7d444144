"""Rows of a file on their way into the readings kept, and out of them again."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from aaot_eval.engine import ReadPlan, ReadReport
from aaot_eval.engine.duckdb_reading import REJECTS
from aaot_eval.engine.kept import plain
from aaot_eval.engine.steps import text_literal

REJECT_COLUMNS = 'line, "column", reason, value_class, row_lost'


def keep(db: Any, plan: ReadPlan, table: str, before: int, report: ReadReport) -> None:
    """Write the rows of a file that has just been read, and its rejects, as a new entry; `before` is the last row before them."""
    if plan.kept is None:
        return
    plan.kept.staging.mkdir(parents=True, exist_ok=True, mode=0o700)
    columns = ", ".join(plan.schema.names)
    rows = f"SELECT row - {before} AS line_row, {columns} FROM {table} WHERE load = {plan.load}"
    _copy(db, rows, str(plan.kept.rows))
    if report.rejected_lines or report.bad_cells:
        rejected = f"SELECT {REJECT_COLUMNS} FROM {REJECTS} WHERE file = {text_literal(plan.name)}"
        _copy(db, rejected, str(plan.kept.rejects))
    plan.kept.write_note(plan.file, plain(report))


def _copy(db: Any, query: str, path: str) -> None:
    db.execute(f"COPY ({query}) TO {text_literal(path)} (FORMAT parquet, COMPRESSION zstd)")


def take(db: Any, plan: ReadPlan, table: str) -> ReadReport:
    """The rows and rejects of a file as they were kept, and the report of the reading that made them."""
    if plan.kept is None:
        raise ValueError("there is no entry to take")
    before = db.execute(f"SELECT coalesce(max(row), 0) FROM {table}").fetchall()[0][0]
    columns = ", ".join(plan.schema.names)
    db.execute(
        f"INSERT INTO {table} (load, row, {columns}, bad) SELECT {plan.load}, {before} + line_row, {columns}, 0 "
        f"FROM read_parquet({text_literal(str(plan.kept.rows))})"
    )
    if plan.kept.rejects.is_file():
        db.execute(
            f"INSERT INTO {REJECTS} SELECT {text_literal(plan.name)}, {REJECT_COLUMNS} "
            f"FROM read_parquet({text_literal(str(plan.kept.rejects))})"
        )
    known = {f.name for f in fields(ReadReport)}
    noted = {k: v for k, v in plan.kept.note["report"].items() if k in known}
    report = ReadReport(**noted | {"name": plan.name})
    return replace(report, opted_out_places=tuple(report.opted_out_places), taken=True)
