"""A complete made-up study in a folder: extracts, caseload, sites, deaths, prices, config, and the truth."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aaot_eval.errors import InputError, Problem, UsageError
from aaot_eval.synthetic.extracts import Ledger, write_extracts
from aaot_eval.synthetic.faults import DIRT
from aaot_eval.synthetic.files import chosen_dialect, suffix_of
from aaot_eval.synthetic.further import write_further_tables
from aaot_eval.synthetic.layouts import DEFAULTS, Writing, chosen_layouts, layouts
from aaot_eval.synthetic.money import PRICE_YEAR, UNIT_COSTS, places_for, programme_rows
from aaot_eval.synthetic.people import tokens
from aaot_eval.synthetic.records import Scene
from aaot_eval.synthetic.service import RULE_COUNT, RULE_MONTHS, lived
from aaot_eval.synthetic.study import Study, draw_study, first_month_of
from aaot_eval.synthetic.truth import answers, series_rows
from aaot_eval.synthetic.world import ALCOHOL
from aaot_eval.synthetic.worlds import chosen_worlds, expected

REASON = "artificial data: nobody in these files exists"
MOST_FAULTS = 20.0


def simulate_study(
    out: Path,
    *,
    scenario: str = "effect",
    seed: int = 1,
    sites: int = 14,
    treated: int = 3,
    months: int = 60,
    launch_after: int = 36,
    first_month: str | None = None,
    size: float = 1.0,
    worlds: Sequence[str] = (),
    faults: float = 1.0,
    formats: Sequence[str] = (),
    dialect: Sequence[str] = (),
    only_held: bool = False,
    notify: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Writes a complete study into the empty or new folder `out` and returns its truth, as truth.json holds it.

    scenario      a name in SCENARIOS; `single_site` takes one trust, whatever `sites` and `treated` say
    months        calendar months from `first_month` (2021-07, or 2017-07 in a pandemic); the first service starts
                  `launch_after` months in, the others three months after one another
    size          multiplies the people of every site: 1 makes about 100 alcohol-specific emergency admissions a site
                  and month
    worlds        names in WORLDS: what fools evaluations, each switched on in addition
    faults        multiplies the rates of the faults in DIRT: 0 writes clean files

    formats       names of `layouts()`, at most one a table; `panel` also writes the study as an aggregated panel
    dialect       words of DIALECTS: how the extracts are written, and `xlsx` for the small tables
    only_held     write the default formats with what `formats` hold of each row: for comparison

    The same arguments write the same bytes. Raises UsageError for an unknown scenario or what cannot be
    simulated, InputError for a folder that is not empty or a world too small for the effect to come about through the caseload.
    """
    _refuse(out, faults)
    writing = Writing(chosen_layouts(formats), chosen_dialect(dialect), "panel" in formats, only_held)
    notify("Drawing people and their admissions without the service")
    arguments: dict[str, Any] = {
        "sites": sites,
        "treated": treated,
        "months": months,
        "launch_after": launch_after,
        "first_month": first_month or first_month_of(chosen_worlds(worlds)),
        "size": size,
    }
    study = draw_study(scenario=scenario, seed=seed, worlds=worlds, **arguments)
    (out / "extracts").mkdir(parents=True)
    scene = Scene(seed, study.sites, study.calendar, faults)
    ledger = write_extracts(
        out / "extracts", scene, study.worlds, study.stays, study.effect, notify, writing, study.recording
    )
    notify("Writing caseload, sites, deaths, prices, config and truth")
    truth = _truth(study, ledger, arguments | {"faults": faults})
    _write_tables(out, study, ledger, truth)
    further = write_further_tables(out, study, ledger, writing)
    _write_text(out / "study.toml", _study_toml(study, further, writing))
    _write_text(out / "README.txt", _readme(study, writing))
    _write_text(out / "truth.json", json.dumps(truth, indent=1, ensure_ascii=False) + "\n")
    return truth


def _refuse(out: Path, faults: float) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(
            Problem("C152", "the folder for the simulated study is not empty", where=str(out), do="name a new folder")
        )
    if not 0 <= faults <= MOST_FAULTS:
        raise UsageError(
            Problem(
                "C157",
                f"faults cannot be {faults} times as frequent",
                allowed=f"0 to {MOST_FAULTS:g}",
                do="take a number between them; 1 is usual",
            )
        )


def _truth(study: Study, ledger: Ledger, arguments: dict[str, Any]) -> dict[str, Any]:
    calendar, stays = study.calendar, lived(study.stays, study.effect)
    people = len(np.unique(stays.person[stays.kind == ALCOHOL]))
    starts = {s.code: calendar.starts[s.go_live] for s in study.sites if s.go_live is not None}
    return {
        "artificial": True,
        "scenario": study.scenario.name,
        "title": study.scenario.title,
        "switched_on": study.scenario.switched_on,
        "worlds": {
            w.name: {"title": w.title, "switched_on": w.switched_on, "fooled": w.fooled, "honest": w.honest}
            for w in study.fooled_by
        },
        "verdict": expected(study.scenario, study.fooled_by),
        "seed": study.seed,
        "arguments": arguments,
        "window": {"first_day": calendar.date(0), "last_day": calendar.date(calendar.end - 1)},
        "go_live": {code: calendar.date(start)[:7] for code, start in starts.items()},
        **answers(study.scenario, study.worlds, study.stays, study.caseload, study.effect, study.sites, calendar),
        "counts": {
            "sites": len(study.sites),
            "people_with_an_alcohol_specific_stay": people,
            "on_caseload": len(study.caseload),
            **dict(sorted(ledger.counts.items())),
        },
        "dirt": {
            name: {
                "rows": ledger.dirt[name],
                "share_drawn": share * arguments["faults"],
                "drawn_for": unit,
                "looks_like": looks,
            }
            for name, (share, unit, looks) in DIRT.items()
        },
    }


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def _write_tables(out: Path, study: Study, ledger: Ledger, truth: dict[str, Any]) -> None:
    day, sites, caseload = study.calendar.date, study.sites, study.caseload
    closing = any(s.stopped is not None for s in sites)

    def started(month: int | None) -> str:
        return "" if month is None else day(study.calendar.starts[month])

    referred = zip(
        tokens(caseload.person, study.seed).to_pylist(),
        caseload.site,
        caseload.day,
        caseload.ended_day,
        caseload.reason,
        strict=True,
    )
    _write_csv(
        out / "caseload.csv",
        ("person", "site", "referred", "started", "ended", "reason"),
        sorted(
            (token, sites[site].code, day(begun), day(begun + 3), "" if ended < 0 else day(max(ended, begun)), reason)
            for token, site, begun, ended, reason in referred
        ),
    )
    _write_csv(
        out / "sites.csv",
        ("site", "go_live", "population", "beds", *(("stopped",) if closing else ())),
        (
            (s.code, started(s.go_live), s.population, s.beds, *((started(s.stopped),) if closing else ()))
            for s in sites
        ),
    )
    person, death_day = study.deaths()
    seen = np.isin(person, study.stays.person)
    _write_csv(
        out / "deaths.csv",
        ("person", "death_date"),
        sorted(zip(tokens(person[seen], study.seed).to_pylist(), map(day, death_day[seen]), strict=True)),
    )
    _write_csv(
        out / "unit_costs_invented.csv",
        ("item", "unit", "value", "low", "high", "std_error", "price_year", "perspective", "source"),
        UNIT_COSTS,
    )
    places = truth["economics"]["caseload_places_per_team"] if truth["economics"] else places_for(0)
    _write_csv(
        out / "programme_invented.csv",
        ("item", "kind", "quantity", "amount", "on_cost", "price_year", "source"),
        programme_rows(places),
    )
    header, rows = series_rows(study.stays, study.sites, study.calendar, ledger.series)
    _write_csv(out / "truth_series.csv", header, rows)


def _study_toml(study: Study, further: Mapping[str, str], writing: Writing) -> str:
    calendar = study.calendar
    end = suffix_of(writing.dialect)
    small = {"caseload": "caseload.csv", "sites": "sites.csv", "deaths": "deaths.csv", **further}
    named = "\n".join(f'{table} = "{file}"' for table, file in small.items())
    return f"""\
config_version = 1
name = "{study.named}"
title = "Artificial data: simulated study {" with ".join(study.parts)}, seed {study.seed}"

[data]
admissions = "extracts/apc_*{end}"
attendances = "extracts/ed_*{end}"
{named}
complete_to = {calendar.date(calendar.end - 1)}

[study]
outcome = "alcohol_specific_emergency"
entry_rule = "{RULE_COUNT} admissions in {RULE_MONTHS} months"

[costs]
unit_costs = "unit_costs_invented.csv"
programme = "programme_invented.csv"
price_year = "{PRICE_YEAR}"
perspective = "provider"

[disclosure]
profile = "hes"

[output]
patient_reports = true
reason = "{REASON}"
"""


def _format_of(writing: Writing, table: str) -> str:
    """Name and title of the format that a table is written in."""
    layout = layouts()[DEFAULTS[table]] if writing.only_held else writing.chosen.get(table, layouts()[DEFAULTS[table]])
    return f"{layout.name} ({layout.title})"


def _switched_on(study: Study) -> str:
    """What was changed in the made-up world, in a sentence."""
    service = study.scenario.switched_on
    told = [*([] if service == "nothing" else [service]), *(w.switched_on for w in study.fooled_by)]
    if not told:
        return "Nothing is switched on."
    nothing = "The service itself changes nothing. " if service == "nothing" else ""
    return f"{nothing}Switched on, and nothing else: {'; '.join(told)}."


def _readme(study: Study, writing: Writing) -> str:
    world, seed = study.scenario, study.seed
    admissions, attendances = (_format_of(writing, table) for table in ("admissions", "attendances"))
    label = "one file for each " + ("month" if "monthly" in writing.dialect else "financial year")
    label = "one file, whatever the year" if "single" in writing.dialect else label
    return f"""\
ARTIFICIAL DATA. Nobody in these files exists, and no hospital, price or team is real.

Made by `aaot-eval simulate` (scenario {world.name}, seed {seed}): {world.title[0].lower()}{world.title[1:]}.
{_switched_on(study)}

extracts/apc_*         admitted patient care episodes in the format {admissions}, {label} in which
                       an episode ended; all admissions of the window, also those discharged after it
extracts/ed_*          emergency department attendances in the format {attendances}
caseload.csv, sites.csv, deaths.csv
unit_costs_invented.csv, programme_invented.csv
study.toml             a config that runs as it is: aaot-eval analyze study.toml
truth.json             the right answers, and how many rows carry which fault
truth_series.csv       the true counts of each site and month, before any fault

Every person id begins with TEST.
"""
