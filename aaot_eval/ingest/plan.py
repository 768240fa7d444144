"""What the config names to plans of reading: which files, in which format, with which columns, dates and secret."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from aaot_eval.config import RunConfig
from aaot_eval.config.parts import Files
from aaot_eval.engine import ReadPlan
from aaot_eval.engine.database_tables import inspect_source, is_table
from aaot_eval.engine.files import Dialect
from aaot_eval.engine.workbooks import is_workbook, listed_cells, unworked_cells
from aaot_eval.errors import InputError, Problem, counted
from aaot_eval.findings import Finding
from aaot_eval.ingest.dates import date_patterns
from aaot_eval.ingest.identifiers import secret_of
from aaot_eval.ingest.keeping import Keeping
from aaot_eval.ingest.near_names import misnamed
from aaot_eval.ingest.not_rows import cut_off
from aaot_eval.ingest.recognise import match_header, places_in_cells
from aaot_eval.names import is_name, shown_names
from aaot_eval.results import Source
from aaot_eval.schema import TableSchema, in_full

GIVEN = (
    "admissions",
    "attendances",
    "caseload",
    "sites",
    "deaths",
    "activity",
    "contacts",
    "denominators",
    "providers",
)
# What is read beside them: the list of people who opted out comes before all else.
READ = (*GIVEN, "opt_out")
# Tables that the analyst fills in, and what a row of them is.
OWN_TABLES = {"caseload": "referral", "sites": "site"}
# Tables too large for a workbook.
LARGE_TABLES = ("admissions", "attendances")


@dataclass(frozen=True, slots=True)
class Given:
    """One table as given: its files, their format, and how each is to be read."""

    table: str
    schema: TableSchema
    plans: tuple[ReadPlan, ...]


def files_of(config: RunConfig, table: str) -> list[Path]:
    """The files of one table of the config, globs resolved, in the order of their names. Raises InputError."""
    given: Files | None = getattr(config.data, table)
    found: list[Path] = []
    problems: list[Problem] = []
    for text in [given] if isinstance(given, str) else given or []:
        if is_table(text):
            found.append(Path(text))
            continue
        try:
            found += config.files(text, f"data.{table}")
        except InputError as missing:
            problems += missing.problems
    if problems:
        raise InputError(*problems)
    return list(dict.fromkeys(found))


def plan_table(
    config: RunConfig, table: str, work: Path, keeping: Keeping | None = None, session: Any = None
) -> tuple[Given, list[Source], list[Finding]]:
    """How every file of one table is to be read. Raises InputError with every problem of all its files.

    `session` is the Spark session whose tables may be named. With `keeping`, a file whose rows were kept is not looked at again.
    """
    problems: list[Problem] = []
    plans: list[ReadPlan] = []
    secret = secret_of(config)
    for load, path in enumerate(files_of(config, table), start=1):
        if is_workbook(path) and table in LARGE_TABLES:
            problems.append(_no_workbook(table, path))
            continue
        try:
            kept = keeping.entry(path, table) if keeping and not is_table(path) else None
            if kept and kept.note:
                plan = _plan_file(config, table, path, kept.dialect(path), taken=True)
            else:
                plan = _plan_file(config, table, path, inspect_source(path, work, config.engine.postgres, session))
        except InputError as fault:
            problems += fault.problems
            continue
        except csv.Error:
            problems.append(_too_large_a_cell(path))
            continue
        plans.append(replace(plan, load=load, key=secret if "person" in plan.columns else None, kept=kept))
    if problems:
        raise InputError(*once_for_all_files(problems))
    sources = [Source(table, p.name, 0, p.file.bytes, p.file.sha256) for p in plans]
    sheets = [
        Finding("X270", where=p.name, detail=f"sheet {shown_names([p.file.sheet])}") for p in plans if p.file.sheet
    ]
    sheets += [
        Finding("X281", where=p.name, records=len(cells), detail=listed_cells(cells))
        for p in plans
        if (cells := [cell for column in p.file.unworked.values() for cell in column])
    ]
    found = [
        *sheets,
        *_unread(table, plans),
        *_misnamed(config, table, plans),
        *_diagnosis_fields(plans, config.counting.positions),
    ]
    read_as = plans[0].schema
    return Given(str(read_as.extra["table"]), read_as, tuple(plans)), sources, found


def _plan_file(config: RunConfig, table: str, path: Path, file: Dialect, *, taken: bool = False) -> ReadPlan:
    """The plan of one file. What is `taken` from an earlier run was looked at when it was read. Raises InputError or csv.Error."""
    match = match_header(config, table, file, path)
    held = {ours: theirs for ours, theirs in match.held.items() if ours not in config.unasked_columns}
    if file.kind == "text" and file.lines <= 1:
        raise InputError(_no_rows(table, path))
    read = sorted({file.header.index(theirs) for theirs in held.values()} & file.unworked.keys())
    if read:
        raise InputError(unworked_cells(path, [cell for place in read for cell in file.unworked[place]]))
    patterns: Mapping[str, tuple[str, ...]] = {}
    if not taken:
        if faults := cut_off(file, path):
            raise InputError(*faults)
        patterns = date_patterns(config, table, match.schema, file, held)
    return ReadPlan(
        file,
        in_full(match.schema),
        held,
        name=str(path) if is_table(path) else config.recorded(path),
        dates=patterns,
        places=places_in_cells(match.schema, held),
        place=str(path) if is_table(path) else config.shown(path),
    )


def once_for_all_files(problems: Sequence[Problem]) -> list[Problem]:
    """The same problem of several files, their names aside, said once: with the first of them and how many more there are."""
    places: dict[Problem, list[Problem]] = {}
    for problem in problems:
        name = Path(problem.where.partition(", line ")[0]).name
        plain = replace(problem, where="", what=problem.what.replace(name, "") if name else problem.what)
        places.setdefault(plain, []).append(problem)
    said = []
    for first, *others in places.values():
        more = len({p.where for p in others} - {first.where})
        added = f" and {counted(more, 'more file')}" if more else ""
        said.append(replace(first, where=first.where + added))
    return said


def _no_workbook(table: str, path: Path) -> Problem:
    return Problem(
        "X277",
        f"{path.name} is a workbook, and {table} are not read from one: Excel stops at 1,048,576 rows and rounds long keys",
        where=str(path),
        do="export the extract as CSV or Parquet",
    )


def _too_large_a_cell(path: Path) -> Problem:
    return Problem(
        "X278",
        f"a cell of {path.name} holds more than {csv.field_size_limit() >> 10} KiB: a quotation mark without its pair does this",
        where=str(path),
        do="ask for the file again, or mend the quotation mark",
    )


def _no_rows(table: str, path: Path) -> Problem:
    """A header without rows: of an extract the supplier's, of a table that the analyst fills in a blank form."""
    if table in OWN_TABLES:
        return Problem(
            "X203",
            f"{path.name} is still blank: this table is yours to fill in",
            where=str(path),
            do=f"write one row for each {OWN_TABLES[table]}, or take {table} out of [data]",
        )
    none = "" if table == "admissions" else f"; where there is nothing to list this time, take {table} out of [data]"
    return Problem(
        "X203", f"{path.name} holds a header and no rows", where=str(path), do=f"ask for the file again{none}"
    )


def _unread(table: str, plans: Sequence[ReadPlan]) -> list[Finding]:
    """One finding for all files of a table: the columns that are in any of them and are not read."""
    by_file = {
        p.name: unread for p in plans if (unread := [h for h in p.file.header if h and h not in p.columns.values()])
    }
    if not by_file:
        return []
    where = next(iter(by_file)) if len(by_file) == 1 else f"{table}, {len(by_file)} files"
    columns = dict.fromkeys(c for columns in by_file.values() for c in columns)
    return [Finding("X210", where=where, detail=shown_names(columns))]


def _misnamed(config: RunConfig, table: str, plans: Sequence[ReadPlan]) -> list[Finding]:
    """A finding for each column of a file that is not read and may be one that the study would read differently with."""
    said = []
    for plan in plans:
        for column, near in misnamed(plan.schema, plan.columns, plan.file.header):
            if column.name in config.unasked_columns or (column.name == "go_live" and config.study.starts):
                continue
            like = f"{' or '.join(near)} may be {column.name} ({column.title[:1].lower()}{column.title[1:]}), which {plan.name} does not have"
            mapped = near[0] if is_name(near[0]) and not near[0].startswith("column ") else "NAME IN YOUR FILE"
            advice = (
                f"If so, call the column {column.name}, or add to the config: [data.columns] {table} = "
                f'{{ {column.name} = "{mapped}" }}; if it is something else, nothing.'
            )
            said.append(Finding("X220", where=plan.name, detail=f"{like}: {column.extra['without']}", advice=advice))
    return said


def _diagnosis_fields(plans: Sequence[ReadPlan], looked_at: int) -> list[Finding]:
    """A finding when files differ in how many of the diagnosis fields that are looked at they hold (Scotland has 6, England 20), and
    when all hold the main one alone."""
    held: dict[int, list[str]] = {}
    for plan in plans:
        fields = sum(name.startswith("diag_") for name in plan.columns)
        held.setdefault(min(fields, looked_at), []).append(plan.name)
    if set(held) == {1} and looked_at > 1:
        return [Finding("D377", where="data.admissions", detail=f"positions = {looked_at} is asked for")]
    if len(held) < 2:
        return []
    said = [
        f"{fields} in {names[0]}{f' and {len(names) - 1} more' if len(names) > 1 else ''}"
        for fields, names in sorted(held.items())
    ]
    return [
        Finding(
            "D375",
            where="data.admissions",
            detail=f"{'; '.join(said)}; positions = {min(held)} looks at the same in all",
        )
    ]


def blank_sites(config: RunConfig, work: Path, session: Any = None) -> list[Problem]:
    """A refusal when a sites table has rows and no go_live at all, though no start is given elsewhere: still to be filled in."""
    if config.data.sites is None or config.study.starts:
        return []
    given, _, _ = plan_table(config, "sites", work, session=session)
    problems = []
    for plan in given.plans:
        theirs = plan.columns.get("go_live")
        if theirs is None or plan.file.kind != "text":
            continue
        with plan.file.path.open(encoding="utf-8-sig", newline="") as text:
            if any((row.get(theirs) or "").strip() for row in csv.DictReader(text, delimiter=plan.file.delimiter)):
                return []
        problems.append(
            Problem(
                "X203",
                f"{plan.file.path.name} is still blank: no site has a go_live",
                where=plan.place,
                do="write the first day of the service at its site; leave the others blank, which means never",
            )
        )
    return problems
