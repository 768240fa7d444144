"""The further tables of a made-up study, when they are asked for: contacts, denominators, linked deaths, a panel, workbooks."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from aaot_eval.synthetic.extracts import Ledger
from aaot_eval.synthetic.files import text_bytes
from aaot_eval.synthetic.layouts import Cells, Writing, held_by, written
from aaot_eval.synthetic.people import tokens
from aaot_eval.synthetic.study import Study
from aaot_eval.synthetic.truth import series_rows
from aaot_eval.synthetic.workbook import workbook

KINDS = (("visit", "nurse", "45"), ("telephone", "support worker", "15"), ("clinic", "nurse", "30"))
DAYS_BETWEEN_CONTACTS, MOST_CONTACTS = 14, 12
# A catchment grows by this share a year; invented.
GROWTH = 0.01


def write_further_tables(out: Path, study: Study, ledger: Ledger, writing: Writing) -> dict[str, str]:
    """Writes what was asked for beside the usual tables; the files by the key of [data] that names them."""
    files = {}
    if "contacts" in writing.chosen:
        files["contacts"] = _write(out, "contacts", _contacts(study), writing)
    if "denominators" in writing.chosen:
        files["denominators"] = _write(out, "denominators", _denominators(study), writing)
    if "deaths" in writing.chosen and not writing.chosen["deaths"].plain:
        deaths = _rows_of(out / "deaths.csv")
        deaths = {"person": deaths["person"], "death_date": deaths["death_date"]}
        files["deaths"] = _write(out, "deaths", deaths, writing)
    if "xlsx" in writing.dialect:
        for table in ("caseload", "sites", "deaths", "contacts", "denominators"):
            path = out / f"{table}.csv"
            if path.is_file():
                (out / f"{table}.xlsx").write_bytes(workbook({table: _lines_of(path)}))
                path.unlink()
                files[table] = f"{table}.xlsx"
    if writing.panel:
        _write_panel(out, study, ledger)
    return files


def _rows_of(path: Path) -> Cells:
    lines = _lines_of(path)
    return {name: [line[i] or None for line in lines[1:]] for i, name in enumerate(lines[0])}


def _lines_of(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as text:
        return list(csv.reader(text))


def _write(out: Path, table: str, cells: Cells, writing: Writing) -> str:
    layout = writing.chosen[table]
    held = held_by(cells, layout)
    columns = cells if writing.only_held else written(held, layout)
    (out / f"{table}.csv").write_bytes(text_bytes(columns, frozenset()))
    return f"{table}.csv"


def _contacts(study: Study) -> Cells:
    """Contacts of everybody on the caseload, every second week from the third day on; one of them stands twice."""
    caseload, day = study.caseload, study.calendar.date
    cells: Cells = {name: [] for name in ("person", "contact_date", "site", "kind", "staff", "minutes")}
    names = tokens(caseload.person, study.seed).to_pylist()
    for person, site, begun, ended in zip(names, caseload.site, caseload.day, caseload.ended_day, strict=True):
        last = int(ended) if ended >= 0 else study.calendar.end - 1
        for n, at in enumerate(range(int(begun) + 3, last + 1, DAYS_BETWEEN_CONTACTS)):
            if n >= MOST_CONTACTS:
                break
            _add(cells, (person, day(at), study.sites[site].code, *KINDS[n % len(KINDS)]))
    if cells["person"]:
        _add(cells, [str(values[-1]) for values in cells.values()])
    return cells


def _add(cells: Cells, row: Sequence[str]) -> None:
    for values, cell in zip(cells.values(), row, strict=True):
        values.append(cell)


def _denominators(study: Study) -> Cells:
    """The people served by each site in each year of the window."""
    cells: Cells = {name: [] for name in ("site", "valid_from", "population", "beds")}
    for site in study.sites:
        for year in range((study.calendar.months + 11) // 12):
            first = study.calendar.date(study.calendar.starts[12 * year])
            people = round(site.population * (1 + GROWTH) ** year)
            _add(cells, (site.code, first, str(people), str(site.beds)))
    return cells


def _write_panel(out: Path, study: Study, ledger: Ledger) -> None:
    """The true counts as an aggregated panel, and a config for it."""
    header, rows = series_rows(study.stays, study.sites, study.calendar, ledger.series)
    names = list(ledger.series)
    starts = {
        s.code: "" if s.go_live is None else study.calendar.date(study.calendar.starts[s.go_live])[:7]
        for s in study.sites
    }
    people = {s.code: s.population for s in study.sites}
    lines = [
        (row[0], row[1], starts[str(row[0])], people[str(row[0])], *(row[header.index(n)] for n in names))
        for row in rows
    ]
    columns = ("unit", "period", "start", "population", *names)
    with (out / "panel.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(lines)
    outcomes = ", ".join(f'{n} = "count"' for n in names)
    (out / "panel.toml").write_text(
        f"""\
config_version = 1
name = "{study.named.replace("simulated", "simulated_panel", 1)}"
title = "Artificial data: aggregated panel {" with ".join(study.parts)}, seed {study.seed}"

[data]
panel = "panel.csv"

[panel]
start = "start"
exposure = "population"
outcomes = {{ {outcomes} }}

[study]
outcome = "alcohol_specific_emergency"
""",
        encoding="utf-8",
        newline="\n",
    )
