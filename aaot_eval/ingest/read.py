"""Files to text-in tables: which files, which format, which columns, which dates; every refusal of a file is made here."""

from __future__ import annotations

import csv
import difflib
import hashlib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from aaot_eval.config import QualityConfig, RunConfig
from aaot_eval.config.data import strptime_pattern
from aaot_eval.config.parts import Files
from aaot_eval.engine import Engine, ReadPlan, ReadReport
from aaot_eval.engine.database_tables import inspect_source, is_table
from aaot_eval.engine.files import PACKED, Dialect, binary, inspect_file, is_name, repeated_names, shown_names
from aaot_eval.engine.steps import text_literal
from aaot_eval.engine.workbooks import is_workbook
from aaot_eval.errors import InputError, Problem, counted
from aaot_eval.findings import Finding
from aaot_eval.ingest.advice import WITHOUT_KEY
from aaot_eval.ingest.keeping import Keeping
from aaot_eval.ingest.near_names import near_columns, nearest
from aaot_eval.ingest.near_names import plain as _plain
from aaot_eval.ingest.not_rows import cut_off, header_below, notes_below, other_delimiter, title_above, unread_delimiter
from aaot_eval.results import Source
from aaot_eval.schema import TableSchema, extract_formats, in_full, table_schema

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
DATE_ORDERS = {
    "DMY": ("%d/%m/%Y", "%d-%m-%Y", "%d/%m/%Y %H:%M", "%d/%m/%Y %H:%M:%S"),
    "MDY": ("%m/%d/%Y", "%m-%d-%Y"),
    "SMR": ("%Y/%m/%d", "%Y/%m/%d %H:%M:%S", "%d/%m/%Y", "%d-%m-%Y", "%d%m%Y"),
}
NHS_NUMBER_NAMES = re.compile(r"(new)?nhs_?(number|no|num)?")
IDENTIFYING_NAMES = re.compile(
    r".*(postcode|post_code|surname|forename|first_?name|last_?name|family_?name|given_?name|dob|date_?of_?birth|birth_?date).*"
)
NHS_NUMBER_SHARE = 0.9
# Tables that the analyst fills in, and what a row of them is.
OWN_TABLES = {"caseload": "referral", "sites": "site"}
# How like a known column name a cell of line 1 must be to say that line 1 holds names.
CLOSE_NAME = 0.8
# The least share of a format's required columns that a header must hold to be taken for it.
LEAST_LIKE = 0.5
MOST_NAMED = 6
# Tables too large for a workbook.
LARGE_TABLES = ("admissions", "attendances")
#: Tables that somebody keeps by hand, and their columns in which a stray quotation mark makes another person or another place.
BY_HAND = ("caseload", "sites", "deaths", "denominators")
KEYS = ("person", "site", "arm")
#: Keys that a query can give its rows where the source has none.
KEYS_OF_ROWS = ("episode_key", "attendance_key")
#: A straight or typographic quotation mark anywhere; an apostrophe only in front, for names such as St John's hold one.
STRAY_MARK = re.compile("[\"\u201c\u201d\u201e\u00ab\u00bb]|^['\u2018\u2019]")
LINES_SHOWN = 3
PLACES_SHOWN = 5
# Notes below the rows take a few lines.
MOST_NOTES = 20
LISTED = "`aaot-eval check CONFIG --rejects FILE` lists every one"

Notify = Callable[[str], None]


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


def columns_of(schema: TableSchema, header: Sequence[str], chosen: Mapping[str, str]) -> dict[str, str]:
    """Our column = the name in the header: what the config says, else the first known name that is there."""
    there = {_plain(h): h for h in reversed(header)}
    found = {}
    for column in schema.columns:
        names = [chosen[column.name]] if column.name in chosen else [*column.source_names, column.name]
        match = next((there[_plain(n)] for n in names if _plain(n) in there), None)
        if match is not None:
            found[column.name] = match
    return found | _in_one_cell(schema, there, found)


def _in_one_cell(schema: TableSchema, there: Mapping[str, str], found: Mapping[str, str]) -> dict[str, str]:
    """The columns whose values stand together in one cell of the file, when none of them has a cell of its own."""
    together = schema.extra.get("concatenated", {})
    if not together or any(c in found for c in together["columns"]):
        return {}
    cell = next((there[_plain(n)] for n in together["names"] if _plain(n) in there), None)
    return dict.fromkeys(together["columns"], cell) if cell is not None else {}


def _places(schema: TableSchema, held: Mapping[str, str]) -> dict[str, int]:
    """Which value of a shared cell each column is."""
    columns = schema.extra.get("concatenated", {}).get("columns", ())
    together = len({held.get(c) for c in columns}) == 1 and len(columns) > 1 and columns[0] in held
    return {c: i for i, c in enumerate(columns, start=1)} if together else {}


def _makeable(schema: TableSchema, column: str, held: Collection[str]) -> bool:
    """Whether a column that a file does not hold is made from those that it holds."""
    rule = schema[column].extra.get("made")
    if rule is None:
        return False
    needs = [rule[k] for k in ("copy", "filled") if k in rule] or list(rule.get("joined", ()))
    return all(n in held for n in needs)


@dataclass(frozen=True, slots=True)
class Likeness:
    """How well a header fits one format: the share of its required columns, how many it holds, and which it lacks."""

    schema: TableSchema
    share: float
    held: Mapping[str, str]
    lacking: tuple[str, ...]


def likenesses(table: str, header: Sequence[str], chosen: Mapping[str, str]) -> list[Likeness]:
    """Every format of a table, the one whose required columns the header holds best first."""
    found = []
    for schema in extract_formats(table):
        held = columns_of(schema, header, chosen)
        needed = [c.name for c in schema.columns if c.required and not _makeable(schema, c.name, held)]
        lacking = tuple(n for n in needed if n not in held)
        found.append(Likeness(schema, 1 - len(lacking) / max(len(needed), 1), held, lacking))
    return sorted(found, key=lambda f: (f.share, len(f.held)), reverse=True)


def recognise(table: str, header: Sequence[str], chosen: Mapping[str, str]) -> TableSchema | None:
    """The format whose required columns a header holds best; None when it holds less than half of any."""
    best = likenesses(table, header, chosen)[0]
    return best.schema if best.share >= LEAST_LIKE else None


def _ambiguous(table: str, header: Sequence[str], chosen: Mapping[str, str], path: Path) -> list[Problem]:
    """A refusal when a header is complete in two formats that read different columns of it."""
    first, *others = likenesses(table, header, chosen)
    same = [f for f in others if f.share == first.share and len(f.held) == len(first.held)]
    rivals = [f for f in same if set(f.held.values()) != set(first.held.values())]
    if first.share < LEAST_LIKE or not rivals:
        return []
    names = [first.schema.name, *(f.schema.name for f in rivals)]
    return [
        Problem(
            "X260",
            f"the header of {path.name} fits {' and '.join(names)} alike",
            where=f"{path}, line 1",
            allowed=", ".join(names),
            do=f'say which: [data.formats] {table} = "{names[0]}"',
        )
    ]


def _cut_codes(schema: TableSchema, header: Sequence[str], held: Mapping[str, str], where: str) -> list[Problem]:
    """A refusal when the only diagnoses of a file are copies cut to three characters."""
    rule = schema.extra.get("too_short", {})
    there = {_plain(h): h for h in header}
    cut = [there[_plain(n)] for n in rule.get("names", ()) if _plain(n) in there]
    if not cut or rule["for"] in held:
        return []
    return [
        Problem(
            "X261",
            f"the diagnoses are cut to three characters ({cut[0]}): codes such as K29.2 cannot be told from them",
            where=where,
            do="ask for the codes of four characters (DIAG_01, DIAG_4_01 or DIAG_4_CONCAT)",
        )
    ]


def _missing_columns(
    table: str,
    schema: TableSchema,
    header: Sequence[str],
    held: Mapping[str, str],
    chosen: Mapping[str, str],
    where: str,
) -> list[Problem]:
    problems = _cut_codes(schema, header, held, where)
    for column in schema.columns:
        if column.name in chosen and column.name not in held:
            near = nearest([chosen[column.name]], [h for h in header if is_name(h)])
            problems.append(
                Problem(
                    "X204",
                    f"data.columns.{table} maps {column.name} to {chosen[column.name]!r}, which is not in the header",
                    where=where,
                    allowed=f"close: {', '.join(near)}" if near else "",
                    do=f'write the name as it stands in the file; where files differ, both: {column.name} = ["ONE NAME", "THE OTHER"]',
                )
            )
        elif column.required and column.name not in held and not _makeable(schema, column.name, held):
            known = column.source_names or (column.name,)
            near = near_columns(schema, column.name, header, set(held.values()))
            # Of several close names none is put into the line to paste: the wrong one reads as another column without a word.
            problems.append(
                Problem(
                    "X204",
                    f"the column {known[0]} ({column.title}) is missing",
                    where=where,
                    allowed=f"close names in the file: {', '.join(near)}" if near else "",
                    do=f'add to the config: [data.columns] {table} = {{ {column.name} = "{near[0] if len(near) == 1 else "NAME IN YOUR FILE"}" }}'
                    + (f"; {WITHOUT_KEY}" if column.name in KEYS_OF_ROWS and not near else ""),
                )
            )
    return problems


def _identifier_problems(config: RunConfig, table: str, held: Mapping[str, str], where: str) -> list[Problem]:
    problems = []
    for ours, theirs in held.items():
        name = _plain(theirs)
        if ours == "person" and NHS_NUMBER_NAMES.fullmatch(name) and config.data.person_key is None:
            problems.append(_no_secret(theirs, where))
        elif IDENTIFYING_NAMES.fullmatch(name):
            problems.append(
                Problem(
                    "X206",
                    f"the column {theirs} identifies people and is not read",
                    where=where,
                    do=f"take {ours} out of [data.columns]; no name, postcode or date of birth is needed",
                )
            )
    return problems


def _no_secret(column: str, where: str) -> Problem:
    return Problem(
        "X205",
        f"the column {column} holds NHS numbers and there is no secret",
        where=where,
        do='add person_key = { column = "' + column + '", secret_file = "..." } to [data], or give a pseudonymised key',
    )


def _mapped(config: RunConfig, table: str, header: Sequence[str]) -> dict[str, str]:
    """The name that the config gives each of our columns in this file: of several the first that stands in its header."""
    there = set(map(_plain, header))
    found = {}
    for ours, theirs in config.data.columns.get(table, {}).items():
        names = [theirs] if isinstance(theirs, str) else theirs
        found[ours] = next((n for n in names if _plain(n) in there), " or ".join(names))
    return found


def _chosen_columns(config: RunConfig, table: str, schema: TableSchema, header: Sequence[str]) -> dict[str, str]:
    chosen = _mapped(config, table, header)
    key = config.data.person_key
    if (
        key
        and any(c.name == "person" for c in schema.columns)
        and "person" not in chosen
        and _plain(key.column) in map(_plain, header)
    ):
        chosen["person"] = key.column
    return chosen


def refuse_nhs_numbers(config: RunConfig, tokens: Sequence[str]) -> None:
    """Raises InputError when person keys are NHS numbers as they stand (their check digit fits) and there is no secret."""
    if config.data.person_key is None and tokens and sum(map(is_nhs_number, tokens)) >= NHS_NUMBER_SHARE * len(tokens):
        raise InputError(_no_secret("that holds the person", "data"))


def is_nhs_number(text: str) -> bool:
    """Whether the check digit of a ten-digit number fits (modulus 11; NHS Data Dictionary)."""
    digits = re.sub(r"[\s-]", "", text)
    if not re.fullmatch(r"\d{10}", digits) or len(set(digits)) == 1:
        return False
    check = 11 - sum(int(d) * w for d, w in zip(digits, range(10, 1, -1), strict=False)) % 11
    return check != 10 and check % 11 == int(digits[9])


def secret_of(config: RunConfig) -> bytes | None:
    """The secret that person keys are hashed with; None when the config has none. Raises InputError."""
    if config.data.person_key is None:
        return None
    path = config.path(config.data.person_key.secret_file)
    try:
        secret = path.read_bytes().strip()
    except OSError:
        raise InputError(
            Problem(
                "X207",
                f"there is no secret file {config.data.person_key.secret_file}",
                where="data.person_key",
                do="ask whoever keeps the secret for the file; never make a new one for an old study",
            )
        ) from None
    if len(secret) < 16:
        raise InputError(
            Problem(
                "X207",
                "the secret is shorter than 16 characters",
                where="data.person_key",
                do="use a long random secret",
            )
        )
    return secret


def secret_fingerprint(config: RunConfig) -> str | None:
    """What a run may store about its secret: enough to see that another one was used, nothing more."""
    secret = secret_of(config)
    return hashlib.sha256(b"aaot-eval secret\x00" + secret).hexdigest()[:16] if secret else None


def plan_table(
    config: RunConfig, table: str, work: Path, keeping: Keeping | None = None, session: Any = None
) -> tuple[Given, list[Source], list[Finding]]:
    """How every file of one table is to be read. Raises InputError with every problem of all its files.

    `session` is the Spark session whose tables may be named. With `keeping`, a file whose rows were kept is not looked at again.
    """
    problems: list[Problem] = []
    plans, sources = [], []
    not_read: dict[str, list[str]] = {}
    sheets: list[Finding] = []
    secret = secret_of(config)
    for load, path in enumerate(files_of(config, table), start=1):
        if is_workbook(path) and table in LARGE_TABLES:
            problems.append(_no_workbook(table, path))
            continue
        try:
            kept = keeping.entry(path, table) if keeping and not is_table(path) else None
            file = (
                kept.dialect(path)
                if kept and kept.note
                else inspect_source(path, work, config.engine.postgres, session)
            )
            name = str(path) if is_table(path) else config.recorded(path)
            if file.sheet:
                sheets.append(Finding("X270", where=name, detail=f"sheet {shown_names([file.sheet])}"))
            schema, faults, held = _match(config, table, file, path)
        except InputError as fault:
            problems += fault.problems
            continue
        except csv.Error:
            problems.append(_too_large_a_cell(path))
            continue
        held = {ours: theirs for ours, theirs in held.items() if ours not in config.unasked_columns}
        problems += faults
        if faults or schema is None:
            continue
        if file.kind == "text" and file.lines <= 1:
            problems.append(_no_rows(table, path))
            continue
        # What was kept had been looked at when it was read.
        taken = kept is not None and bool(kept.note)
        if faults := [] if taken else cut_off(file, path):
            problems += faults
            continue
        try:
            patterns, faults = ({}, []) if taken else _date_patterns(config, table, schema, file, held)
        except csv.Error:
            problems.append(_too_large_a_cell(path))
            continue
        problems += faults
        unread = [h for h in file.header if h not in held.values() and h]
        if unread:
            not_read[name] = unread
        key = secret if "person" in held else None
        place = name if is_table(path) else config.shown(path)
        plans.append(
            ReadPlan(file, in_full(schema), held, name, load, patterns, key, _places(schema, held), kept, place)
        )
        sources.append(Source(table, name, 0, file.bytes, file.sha256))
    if problems:
        raise InputError(*once_for_all_files(problems))
    read_as = plans[0].schema
    found = [*sheets, *_unread(table, not_read), *_diagnosis_fields(plans, config.counting.positions)]
    return Given(str(read_as.extra["table"]), read_as, tuple(plans)), sources, found


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


def _unread(table: str, by_file: Mapping[str, Sequence[str]]) -> list[Finding]:
    """One finding for all files of a table: the columns that are in any of them and are not read."""
    if not by_file:
        return []
    where = next(iter(by_file)) if len(by_file) == 1 else f"{table}, {len(by_file)} files"
    columns = dict.fromkeys(c for columns in by_file.values() for c in columns)
    return [Finding("X210", where=where, detail=shown_names(columns))]


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


def _no_rows(table: str, path: Path) -> Problem:
    """A header without rows: of an extract the supplier's, of a table that the analyst fills in a blank form."""
    if table in OWN_TABLES:
        return Problem(
            "X203",
            f"{path.name} is still blank: this table is yours to fill in",
            where=str(path),
            do=f"write one row for each {OWN_TABLES[table]}, or take {table} out of [data]",
        )
    return Problem("X203", f"{path.name} holds a header and no rows", where=str(path), do="ask for the file again")


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


def _names_seen(table: str, header: Sequence[str], chosen: Mapping[str, str]) -> bool:
    """Whether a first line holds, or nearly holds, any column name that a format of the table knows."""
    known = {_plain(n) for s in extract_formats(table) for c in s.columns for n in (*c.source_names, c.name)}
    known |= {_plain(n) for n in chosen.values()}
    return any(difflib.get_close_matches(_plain(h), known, n=1, cutoff=CLOSE_NAME) for h in header if is_name(h))


def _nearest(table: str, header: Sequence[str]) -> str:
    """The format that a header comes closest to, and the columns of it that are missing, in words."""
    best = likenesses(table, header, {})[0]
    names = [(best.schema[n].source_names or (n,))[0] for n in best.lacking if "made" not in best.schema[n].extra]
    shown = ", ".join(names[:MOST_NAMED]) + (f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else "")
    return f"the nearest is {best.schema.name}, which also has {shown}"


def _no_format(table: str, file: Dialect, path: Path, known: Sequence[str]) -> Problem:
    """A header in no known format; its cells are shown only when they are names, for line 1 may hold a patient."""
    what = f"the header of {path.name} is in no known format for {table}"

    def is_header(cells: Sequence[str]) -> bool:
        return likenesses(table, cells, {})[0].share >= LEAST_LIKE and _names_seen(table, cells, {})

    if below := header_below(file, is_header):
        return title_above(path, below)
    if sign := other_delimiter(file, is_header):
        return unread_delimiter(path, sign)
    if not _names_seen(table, file.header, {}):
        return Problem(
            "X208",
            f"{what}: line 1 does not hold column names (it may hold data)",
            where=f"{path}, line 1",
            allowed=", ".join(known),
            do="add the header line, or map the columns under [data.columns] when the names are your own",
        )
    names = [h for h in file.header if is_name(h)]
    return Problem(
        "X208",
        what,
        where=f"{path}, line 1: {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}",
        allowed=", ".join(known),
        do=f"{_nearest(table, file.header)}; check that it is the right file with the column names in its first line, or map the columns "
        "under [data.columns]",
    )


def _match(
    config: RunConfig, table: str, file: Dialect, path: Path
) -> tuple[TableSchema | None, list[Problem], dict[str, str]]:
    named = config.data.formats.get(table)
    known = [s.name for s in extract_formats(table)]
    if named and named not in known:
        return (
            None,
            [
                Problem(
                    "X208",
                    f"there is no format {named!r} for {table}",
                    where=f"data.formats.{table}",
                    allowed=", ".join(known),
                    do="name one of these, or leave it out to have it recognised",
                )
            ],
            {},
        )
    schema = table_schema("extracts", named) if named else None
    if schema is None and (alike := _ambiguous(table, file.header, _mapped(config, table, file.header), path)):
        return None, alike, {}
    if schema is not None and not _names_seen(table, file.header, _mapped(config, table, file.header)):
        return None, [_no_format(table, file, path, known)], {}
    if schema is None:
        first = extract_formats(table)[0]
        schema = recognise(table, file.header, _chosen_columns(config, table, first, file.header))
    if schema is None:
        return None, [_no_format(table, file, path, known)], {}
    chosen = _chosen_columns(config, table, schema, file.header)
    held = columns_of(schema, file.header, chosen)
    unknown = [n for n in config.data.columns.get(table, {}) if n not in schema.names]
    problems = [
        Problem(
            "X204",
            f"data.columns.{table} names {n!r}, which is no column of {schema.name}",
            where="[data.columns]",
            allowed=", ".join(schema.names),
            do="use one of these names",
        )
        for n in unknown
    ]
    problems += _missing_columns(table, schema, file.header, held, chosen, str(path))
    problems += repeated_names(path, file.header, set(held.values()))
    problems += _misnamed_start(config, schema, file.header, held, path)
    problems += _binary_keys(schema, file, held, path)
    problems += _identifier_problems(config, table, held, str(path))
    return schema, problems, held


def _misnamed_start(
    config: RunConfig, schema: TableSchema, header: Sequence[str], held: Mapping[str, str], path: Path
) -> list[Problem]:
    """A refusal when the day a service began seems to stand in a sites table under another name: every site would be one without."""
    if (
        schema.name != "sites"
        or "go_live" in held
        or "go_live" in config.data.columns.get("sites", {})
        or config.study.starts
    ):
        return []
    near = near_columns(schema, "go_live", header, set(held.values()))
    if not near:
        return []
    return [
        Problem(
            "X204",
            "the column go_live (first day of the service) is missing, so that no site would have the service",
            where=str(path),
            allowed=f"close names in the file: {', '.join(near)}",
            do=f'call the column go_live, or add to the config: [data.columns] sites = {{ go_live = "{near[0]}" }}',
        )
    ]


def _binary_keys(schema: TableSchema, file: Dialect, held: Mapping[str, str], path: Path) -> list[Problem]:
    """A refusal when a NUL byte stands in a value that must be there; elsewhere such a byte harms nothing."""
    if not file.nuls:
        return []
    keys = [file.header.index(held[c.name]) for c in schema.columns if c.required and c.name in held]
    with file.path.open(encoding="utf-8-sig", newline="") as text:
        reader = csv.reader(text, delimiter=file.delimiter)
        for row in reader:
            for i in keys:
                if i < len(row) and "\0" in row[i]:
                    return [binary(path, f"{path}, line {reader.line_num}, column {shown_names([file.header[i]])}")]
    return []


def _date_patterns(
    config: RunConfig, table: str, schema: TableSchema, file: Dialect, held: Mapping[str, str]
) -> tuple[dict[str, tuple[str, ...]], list[Problem]]:
    """The spellings of dates beside the unmistakable ones: as the config says, as the format declares, else as the file shows.

    A column in which every date could be read both ways is refused: 03/04/2024 is not guessed.
    """
    patterns: dict[str, tuple[str, ...]] = {}
    problems = []
    written, declared = config.data.dates.get(table), str(schema.extra.get("date_order", ""))
    for column in schema.columns:
        if column.type != "date" or column.name not in held:
            continue
        if written:
            orders: tuple[str, ...] = (strptime_pattern(written),)
        elif declared or file.kind != "text":
            orders = DATE_ORDERS.get(declared, ())
        else:
            seen = _orders_seen(file, held[column.name])
            orders = DATE_ORDERS[next(iter(seen))] if len(seen) == 1 else ()
            if len(seen) == 2:
                problems.append(
                    Problem(
                        "X215",
                        f"the dates in {held[column.name]} can be read as day/month or as month/day",
                        where=str(file.path),
                        do=f'say which: [data.dates] {table} = "DD/MM/YYYY", or write them as 2024-04-30',
                    )
                )
        patterns[column.name] = (*orders, *(("%Y-%m",) if column.extra.get("months") else ()))
    return patterns, problems


def _orders_seen(file: Dialect, column: str) -> set[str]:
    """The orders in which the dates of a column like 03/04/2024 can be read; none when it has no such dates."""
    pairs = set()
    with file.path.open(encoding="utf-8-sig", newline="") as text:
        for row in csv.DictReader(text, delimiter=file.delimiter):
            found = re.match(r"\s*(\d{1,2})[/-](\d{1,2})[/-]\d{4}", row.get(column) or "")
            if found:
                pairs.add((int(found[1]), int(found[2])))
    if not pairs:
        return set()
    fits = {"DMY": all(b <= 12 for _, b in pairs), "MDY": all(a <= 12 for a, _ in pairs)}
    return {order for order, fit in fits.items() if fit} or {"DMY", "MDY"}


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
        if count > most_cells * max(report.rows, 1):
            theirs = plan.columns[column]
            spec = plan.schema[column]
            do = _written_rightly(spec.type, str(plan.schema.extra["given_as"]))
            problems.append(
                Problem(
                    "X213",
                    f"more than {most_cells:.0%} of {theirs} cannot be read as {_kind(spec.type)}",
                    where=_first_places(engine, plan, theirs, count),
                    do=f"{do}; {LISTED}",
                )
            )
    return problems


def _written_rightly(type_name: str, table: str) -> str:
    """What to do about cells that are not of their type."""
    if type_name == "date":
        return f'say how they are written, signs and all: [data.dates] {table} = "DD/MM/YYYY", or such as DD/MM/YY, MM/DD/YYYY, DD-MM-YYYY HH:MM; leave a cell without a date blank'
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
