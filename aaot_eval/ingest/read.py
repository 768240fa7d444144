"""Plans to typed rows in the engine: every line counted, and a file refused that is not what it says it is."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Collection, Sequence

from aaot_eval.config import QualityConfig
from aaot_eval.engine import Engine, ReadPlan, ReadReport
from aaot_eval.engine.files import PACKED, inspect_file
from aaot_eval.engine.steps import text_literal
from aaot_eval.errors import InputError, Problem, counted
from aaot_eval.findings import Finding
from aaot_eval.ingest.not_rows import notes_below
from aaot_eval.ingest.plan import Given, once_for_all_files
from aaot_eval.names import shown_names

#: Tables that somebody keeps by hand, and their columns in which a stray quotation mark makes another person or another place.
BY_HAND = ("caseload", "sites", "deaths", "denominators")
#: Tables of a few rows, in which a cell that is read as empty changes a hospital: no start of the service, no end, no people served.
OF_SITES = ("sites", "denominators")
KEYS = ("person", "site", "arm")
#: A straight or typographic quotation mark anywhere; an apostrophe only in front, for names such as St John's hold one.
STRAY_MARK = re.compile("[\"\u201c\u201d\u201e\u00ab\u00bb]|^['\u2018\u2019]")
LINES_SHOWN = 3
PLACES_SHOWN = 5
# Notes below the rows take a few lines.
MOST_NOTES = 20
LISTED = "`aaot-eval check CONFIG --rejects FILE` lists every one"
Notify = Callable[[str], None]


def read_given(
    given: Given, engine: Engine, notify: Notify, limits: QualityConfig
) -> tuple[list[ReadReport], list[Finding]]:
    """Read one table into `<table>_read`. Raises InputError when lines do not add up or too many rows are unreadable."""
    reports = list(engine.ingest(given.plans, f"{given.table}_read"))
    problems, findings = [], []
    for report, plan in zip(reports, given.plans, strict=True):
        notify(f"{'kept from an earlier run:' if report.taken else 'read'} {plan.place}")
        notes = _notes_of(engine, plan, report) if report.rejected_lines or report.bad_cells else []
        problems += _reading_problems(report, plan, engine, limits, notes)
        if given.table in BY_HAND and not report.taken:
            problems += quoted_keys(plan, unquoted=report.unquoted)
        if report.unquoted:
            findings.append(Finding("X212", where=report.name))
        findings += _rejected(report, plan, notes)
    if problems:
        refused = InputError(*once_for_all_files(problems))
        refused.rejects = True
        raise refused
    return reports, findings


def quoted_keys(plan: ReadPlan, *, unquoted: bool) -> list[Problem]:
    """A refusal when a quotation mark stands in a key or the name of a site: it would be another person, or another place.

    `unquoted`: marks at the ends of cells were taken away, for they had no pair.
    """
    file = plan.file
    if file.kind != "text":
        return []
    held = {plan.columns[name]: file.header.index(plan.columns[name]) for name in KEYS if name in plan.columns}
    found: dict[str, list[int]] = {}
    with file.path.open(encoding="utf-8-sig", newline="") as text:
        reader = csv.reader(text, delimiter=file.delimiter, quoting=csv.QUOTE_NONE if unquoted else csv.QUOTE_MINIMAL)
        for row in reader:
            for theirs, i in held.items():
                cell = row[i].strip(' "' if unquoted else None) if i < len(row) else ""
                if reader.line_num > 1 and STRAY_MARK.search(cell):
                    found.setdefault(theirs, []).append(reader.line_num)
    return [
        Problem(
            "X279",
            f"a quotation mark stands in {shown_names([theirs])} of {counted(len(lines), 'row')}",
            where=f"{plan.place}, line {', '.join(map(str, lines[:LINES_SHOWN]))}{' ...' if len(lines) > LINES_SHOWN else ''}, "
            f"column {shown_names([theirs])}",
            allowed="a key or a name without quotation marks, or with one pair of plain ones round the whole cell",
            do="take the quotation marks away and save the file as CSV again",
        )
        for theirs, lines in found.items()
    ]


def _rejected(report: ReadReport, plan: ReadPlan, notes: Sequence[int]) -> list[Finding]:
    """What could not be read of one file, as a finding that stops nothing."""
    cells = sum(report.bad_cells.values())
    if not report.rejected_lines + cells:
        return []
    columns = ", ".join(plan.columns[c] for c in report.bad_cells)
    only_notes = bool(notes) and report.rejected_lines + report.lost_rows == len(notes)
    said = [f"unreadable cells in {columns}"] if columns and not only_notes else []
    if notes:
        said.append(
            f"{'line' if len(notes) == 1 else 'lines'} {', '.join(map(str, notes))}: below the rows, a total or a mark of the end"
        )
    advice = "Nothing is lost with such a line; ask for the file without it, or delete it." if only_notes else ""
    return [
        Finding(
            "X211",
            where=report.name,
            records=report.rejected_lines + report.lost_rows,
            detail="; ".join(said),
            advice=advice,
        )
    ]


def _reading_problems(
    report: ReadReport, plan: ReadPlan, engine: Engine, limits: QualityConfig, notes: Sequence[int]
) -> list[Problem]:
    """Above a share of unreadable lines or cells a file is not what it says it is."""
    most_lines, most_cells = limits.limit("X211"), limits.limit("X213")
    given_as = str(plan.schema.extra["given_as"])
    problems = []
    if not report.adds_up:
        problems.append(
            Problem(
                "X209",
                f"the lines of {report.name} do not add up to its rows",
                where=plan.place,
                do="a quotation mark without its pair usually does this: ask for the file again, or with another quoting",
            )
        )
    total = report.rows + report.rejected_lines
    if (total and report.rows == 0) or (total and report.rejected_lines > most_lines * total):
        problems.append(
            Problem(
                "X211",
                f"more than {most_lines:.0%} of the lines of {report.name} cannot be split into its columns",
                where=_first_places(engine, plan, "", report.rejected_lines),
                do=f"check the delimiter and that no cell holds one without quotation marks{_notes_said(notes)}; {LISTED}",
            )
        )
    for column, count in report.bad_cells.items():
        spec = plan.schema[column]
        each = given_as in OF_SITES and not spec.required
        if each or count > most_cells * max(report.rows, 1):
            theirs = plan.columns[column]
            do = _written_rightly(spec.type, given_as, _kinds_of(engine, plan, theirs))
            problems.append(
                Problem(
                    "X213",
                    f"{'a cell' if each else f'more than {most_cells:.0%}'} of {theirs} cannot be read as {_kind(spec.type)}",
                    where=_first_places(engine, plan, theirs, count),
                    do=f"{do}; {LISTED}",
                )
            )
    return problems


def _kinds_of(engine: Engine, plan: ReadPlan, column: str) -> set[str]:
    """What kinds of value the rejected cells of a column hold."""
    found = engine.rows(
        f"""SELECT DISTINCT value_class FROM rejects WHERE file = {text_literal(plan.name)} AND "column" = {text_literal(column)}"""
    )
    return {str(kind) for (kind,) in found}


def _written_rightly(type_name: str, table: str, kinds: Collection[str]) -> str:
    """What to do about cells that are not of their type; `kinds` is what stands in them."""
    if kinds == {"empty"}:
        return "fill the cells in, or delete the lines"
    if type_name == "string" and "number in scientific notation" in kinds:
        return "export the keys without Excel, or format the column as text first: Excel has rounded them, and one stands for many"
    if type_name == "date" and kinds == {"digits"}:
        return (
            "write the dates as 2024-04-30 or 20240430; a number such as 45412 is how Excel keeps a day: format the "
            "column as a date and save again"
        )
    if type_name == "date":
        return f'say how they are written, signs and all: [data.dates] {table} = "DD/MM/YYYY", or such as DD/MM/YY, MM/DD/YYYY, DD-MM-YYYY HH:MM; leave a cell without a date blank{", which means never" if table in OF_SITES else ""}'
    if type_name in ("integer", "number"):
        return (
            "write figures alone, without words or commas between thousands, or check the mapping under [data.columns]"
        )
    return "check the column and its mapping under [data.columns]"


def _kind(type_name: str) -> str:
    return {"date": "a date", "integer": "a whole number", "number": "a number"}.get(type_name, "a key")


def _first_places(engine: Engine, plan: ReadPlan, column: str, count: int) -> str:
    """The first rejects of a column, or of whole lines, as places: file, column, and by line why or what kind of value."""
    found = engine.rows(
        f"""SELECT line, reason, value_class FROM rejects WHERE file = {text_literal(plan.name)} AND "column" = {text_literal(column)}
        ORDER BY line LIMIT {PLACES_SHOWN}"""
    )
    said = [f"line {line}: {kind if column else why}" for line, why, kind in found]
    if said and column:
        said[0] = f"line {found[0][0]}, column {shown_names([column])}: {found[0][2]}"
    more = [f"and {count - len(found):,} more"] if count > len(found) else []
    return f"{plan.place}, {'; '.join([*said, *more])}" if found else plan.place


def _notes_of(engine: Engine, plan: ReadPlan, report: ReadReport) -> list[int]:
    """The lines at the end of a file that are notes and no rows, of those that could not be read."""
    file = plan.file
    if report.taken and (file.sheet or file.encoding != "utf-8" or file.path.suffix.lower() in PACKED):
        # Its plain copy went with the run that read it.
        file = inspect_file(file.path, engine.folder)
    lines = engine.rows(
        f"SELECT DISTINCT line FROM rejects WHERE file = {text_literal(plan.name)} ORDER BY line DESC LIMIT {MOST_NOTES}"
    )
    return notes_below(file, {int(n) for (n,) in lines})


def _notes_said(notes: Sequence[int]) -> str:
    if not notes:
        return ""
    one = len(notes) == 1
    return (
        f"; {'line' if one else 'lines'} {', '.join(map(str, notes))} {'is a note' if one else 'are notes'} below the rows (a total, or a mark "
        f"of the end) and {'no row' if one else 'no rows'}: delete {'it' if one else 'them'}"
    )
