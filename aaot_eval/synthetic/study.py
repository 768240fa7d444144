"""A complete made-up study in a folder: extracts, caseload, sites, deaths, prices, config, and the truth."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from aaot_eval.errors import InputError, Problem
from aaot_eval.results import generator
from aaot_eval.synthetic.money import PRICE_YEAR, UNIT_COSTS, places_for, programme_rows
from aaot_eval.synthetic.records import DIRT, Written, attendance_rows, episode_rows, tokens, year_label
from aaot_eval.synthetic.scenarios import SCENARIOS, Scenario
from aaot_eval.synthetic.service import (
    RULE_COUNT,
    RULE_MONTHS,
    Caseload,
    Effect,
    apply_service,
    lived,
    take_on,
    together,
)
from aaot_eval.synthetic.truth import answers
from aaot_eval.synthetic.world import (
    ALCOHOL,
    Attendances,
    Calendar,
    Ints,
    Site,
    SiteWorld,
    Stays,
    draw_background,
    draw_site,
    joined,
    lay_out_sites,
)

CHUNK_STAYS = 60_000
KEYS_PER_SITE = 10**12
FURTHER_KEYS = 5 * 10**11
MOST_SITES = 34
REASON = "artificial data: nobody in these files exists"


def simulate_study(
    out: Path,
    *,
    scenario: str = "effect",
    seed: int = 1,
    sites: int = 14,
    treated: int = 3,
    months: int = 60,
    launch_after: int = 36,
    first_month: str = "2021-07",
    size: float = 1.0,
    notify: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Writes a complete study into the empty or new folder `out` and returns its truth, as truth.json holds it.

    scenario      a name in SCENARIOS; `single_site` takes one trust, whatever `sites` and `treated` say
    months        calendar months from `first_month` ("2021-07"); the first service starts `launch_after` months in, the
                  others three months after one another
    size          multiplies the people of every site: 1 makes about 100 alcohol-specific emergency admissions a site and month

    The same arguments write the same bytes. Raises InputError for an unknown scenario, a layout that cannot be simulated, a folder
    that is not empty, or a world too small for the effect.
    """
    say = notify or (lambda _: None)
    world = _chosen(out, scenario, sites, treated, months, launch_after, first_month, size)
    if world.one_trust:
        sites = treated = 1
    calendar = Calendar.of(first_month, months)
    places = lay_out_sites(seed, sites=sites, treated=treated, launch_after=launch_after, size=size, one_trust=world.one_trust)
    say("Drawing people and their admissions without the service")
    worlds = [draw_site(seed, site, sites, calendar, world.illness) for site in places]
    caseload = together([take_on(seed, s, w, calendar, at_peak=world.refer_at_peak) for s, w in zip(places, worlds, strict=True)])
    stays = joined([w.stays for w in worlds])
    effect = apply_service(seed, world, stays, caseload, _deaths(worlds), places, calendar)
    out.mkdir(parents=True, exist_ok=True)
    (out / "extracts").mkdir()
    counts, dirt = _write_extracts(out / "extracts", seed, worlds, stays, effect, places, calendar, say)
    say("Writing caseload, sites, deaths, prices, config and truth")
    truth = {
        "artificial": True,
        "scenario": world.name,
        "title": world.title,
        "switched_on": world.switched_on,
        "seed": seed,
        "arguments": {
            "sites": sites, "treated": treated, "months": months, "launch_after": launch_after, "first_month": first_month, "size": size,
        },
        "window": {"first_day": calendar.date(0), "last_day": calendar.date(calendar.end - 1)},
        "go_live": {s.code: calendar.date(int(calendar.starts[s.go_live]))[:7] for s in places if s.go_live is not None},
        **answers(world, worlds, stays, caseload, effect, places, calendar),
        "counts": counts | {"on_caseload": len(caseload), "sites": sites},
        "dirt": {name: {"rows": dirt[name], "share_drawn": DIRT[name][0], "drawn_for": DIRT[name][1], "looks_like": DIRT[name][2]} for name in DIRT},
    }  # fmt: skip
    _write_tables(out, seed, worlds, stays, caseload, places, calendar, truth)
    _write_text(out / "study.toml", study_toml(world, seed, calendar))
    _write_text(out / "README.txt", _readme(world, seed))
    _write_text(out / "truth.json", json.dumps(truth, indent=1, ensure_ascii=False) + "\n")
    return truth


def _chosen(
    out: Path, scenario: str, sites: int, treated: int, months: int, launch_after: int, first_month: str, size: float
) -> Scenario:
    problems = []
    if scenario not in SCENARIOS:
        problems.append(Problem("C151", f"there is no scenario {scenario!r}", allowed=", ".join(SCENARIOS), do="name one of them"))
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        problems.append(Problem("C152", "the folder for the simulated study is not empty", where=str(out), do="name a new folder"))
    if not 1 <= sites <= MOST_SITES or not 0 <= treated <= sites:
        problems.append(
            Problem("C153", f"{treated} treated of {sites} sites cannot be simulated", allowed=f"1 to {MOST_SITES} sites, treated of these")
        )
    if launch_after < RULE_MONTHS or launch_after + 3 * max(treated - 1, 0) + 6 > months:
        problems.append(
            Problem(
                "C154",
                f"services from month {launch_after} on, three months apart, do not fit into {months} months",
                allowed=f"a launch after at least {RULE_MONTHS} months, and 6 months after the last one",
                do="take more months, fewer treated sites or an earlier launch",
            )
        )
    if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", first_month):
        problems.append(Problem("C155", f"the first month {first_month!r} is not a month", allowed="a month such as 2021-07"))
    if not 0.01 <= size <= 1000:
        problems.append(Problem("C156", f"a size of {size} cannot be simulated", allowed="0.01 to 1000"))
    if problems:
        raise InputError(*problems)
    return SCENARIOS[scenario]


def _deaths(worlds: Sequence[SiteWorld]) -> dict[str, Ints]:
    """Who dies when; the numbers are in order because sites are."""
    dead = [w.people.death_day >= 0 for w in worlds]
    return {
        "person": np.concatenate([w.people.number[d] for w, d in zip(worlds, dead, strict=True)]),
        "day": np.concatenate([w.people.death_day[d] for w, d in zip(worlds, dead, strict=True)]),
    }


class YearFiles:
    """One CSV file per financial year, opened when its first row comes."""

    def __init__(self, folder: Path, stem: str) -> None:
        self._folder, self._stem = folder, stem
        self._open: dict[int, tuple[BinaryIO, pacsv.CSVWriter]] = {}
        self.rows = 0

    def write(self, written: Written) -> None:
        """Puts each row into the file of its year."""
        for year in np.unique(written.year):
            part = written.table.filter(pa.array(written.year == year))
            self._writer(int(year), part.schema).write_table(part)
            self.rows += part.num_rows

    def _writer(self, year: int, schema: pa.Schema) -> pacsv.CSVWriter:
        if year not in self._open:
            file = (self._folder / f"{self._stem}_{year_label(year)}.csv").open("wb")
            file.write((",".join(schema.names) + "\n").encode())
            options = pacsv.WriteOptions(include_header=False, quoting_style="none", batch_size=8192)
            self._open[year] = file, pacsv.CSVWriter(file, schema, write_options=options)
        return self._open[year][1]

    def __enter__(self) -> YearFiles:
        return self

    def __exit__(self, *_: object) -> None:
        for file, writer in self._open.values():
            writer.close()
            file.close()


def _write_extracts(
    folder: Path,
    seed: int,
    worlds: Sequence[SiteWorld],
    stays: Stays,
    effect: Effect,
    sites: Sequence[Site],
    calendar: Calendar,
    say: Callable[[str], None],
) -> tuple[dict[str, int], Counter[str]]:
    """All episodes and attendances, site by site; returns counts of the true world and of the faults in the files."""
    dirt: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    removed = np.zeros(len(stays), dtype=bool)
    removed[effect.removed] = True
    extra = effect.possible.take(effect.added)
    done = 0
    with YearFiles(folder, "apc") as episodes, YearFiles(folder, "ed") as attendances:
        for site, world in zip(sites, worlds, strict=True):
            say(f"Writing the records of {site.code}")
            others, visits = draw_background(seed, site, len(sites), calendar)
            of_site = joined([world.stays, others])
            keep = ~np.concatenate([removed[done : done + len(world.stays)], np.zeros(len(others), dtype=bool)])
            done += len(world.stays)
            walk_ins = Attendances(*(np.concatenate([getattr(world.attendances, n), getattr(visits, n)]) for n in ("person", "site", "day")))
            here = extra.take(extra.site == site.index)
            batches = [("rows", of_site, keep, walk_ins, 0)]
            if len(here):
                batches.append(("further rows", here, np.ones(len(here), dtype=bool), walk_ins.none(), FURTHER_KEYS))
            for purpose, batch, kept, visits_too, offset in batches:
                first_key = site.index * KEYS_PER_SITE + offset
                for low in range(0, max(len(batch), 1), CHUNK_STAYS):
                    chunk = batch.take(np.arange(low, min(low + CHUNK_STAYS, len(batch))))
                    rng = generator(seed, purpose, site.index, low)
                    part = episode_rows(rng, chunk, kept[low : low + CHUNK_STAYS], sites, calendar, seed, first_key + low * 40)
                    episodes.write(part)
                    dirt += part.dirt
                attendances.write(
                    attendance_rows(generator(seed, "attendances", purpose, site.index), batch, kept, visits_too, sites, calendar, seed, first_key)
                )
                counts["stays"] += int(kept.sum())
                counts["alcohol_specific_emergency_stays"] += int((kept & (batch.kind == ALCOHOL)).sum())
                counts["moved_to_another_hospital"] += int((kept & (batch.moved_nights > 0)).sum())
    counts["episode_rows"], counts["attendance_rows"] = episodes.rows, attendances.rows
    with_alcohol = lived(stays, effect)
    counts["people_with_an_alcohol_specific_stay"] = len(np.unique(with_alcohol.person[with_alcohol.kind == ALCOHOL]))
    return dict(sorted(counts.items())), dirt


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def _write_tables(
    out: Path,
    seed: int,
    worlds: Sequence[SiteWorld],
    stays: Stays,
    caseload: Caseload,
    sites: Sequence[Site],
    calendar: Calendar,
    truth: Mapping[str, Any],
) -> None:
    day = calendar.date
    _write_csv(
        out / "caseload.csv",
        ("person", "site", "referred", "started", "ended", "reason"),
        sorted(
            (token, sites[site].code, day(referred), day(referred + 3), "" if ended < 0 else day(ended), reason)
            for token, site, referred, ended, reason in zip(
                tokens(caseload.person, seed).to_pylist(), caseload.site, caseload.day, caseload.ended_day, caseload.reason, strict=True
            )
        ),
    )
    _write_csv(
        out / "sites.csv",
        ("site", "go_live", "population", "beds"),
        ((s.code, "" if s.go_live is None else day(int(calendar.starts[s.go_live])), s.population, s.beds) for s in sites),
    )
    dead = _deaths(worlds)
    seen = np.isin(dead["person"], stays.person)
    _write_csv(
        out / "deaths.csv",
        ("person", "death_date"),
        sorted((token, day(d)) for token, d in zip(tokens(dead["person"][seen], seed).to_pylist(), dead["day"][seen], strict=True)),
    )
    _write_csv(
        out / "unit_costs_invented.csv",
        ("item", "unit", "value", "low", "high", "std_error", "price_year", "perspective", "source"),
        UNIT_COSTS,
    )
    _write_csv(
        out / "programme_invented.csv",
        ("item", "kind", "quantity", "amount", "on_cost", "price_year", "source"),
        programme_rows(truth["economics"]["caseload_places_per_team"] if truth["economics"] else places_for(0)),
    )


def study_toml(world: Scenario, seed: int, calendar: Calendar) -> str:
    """The config of a simulated study, with the files beside it."""
    return f"""\
config_version = 1
name = "simulated_{world.name}_{seed}"
title = "Artificial data: simulated study {world.name}, seed {seed}"

[data]
admissions = "extracts/apc_*.csv"
attendances = "extracts/ed_*.csv"
caseload = "caseload.csv"
sites = "sites.csv"
deaths = "deaths.csv"
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


def _readme(world: Scenario, seed: int) -> str:
    return f"""\
ARTIFICIAL DATA. Nobody in these files exists, and no hospital, price or team is real.

Made by `aaot-eval simulate` (scenario {world.name}, seed {seed}): {world.title[0].lower()}{world.title[1:]}.
Switched on, and nothing else: {world.switched_on}.

extracts/apc_*.csv     admitted patient care episodes in the HES layout, one file per financial year in which the episode ended;
                       all admissions of the window, also those whose discharge came after it
extracts/ed_*.csv      emergency department attendances in the ECDS layout
caseload.csv, sites.csv, deaths.csv
unit_costs_invented.csv, programme_invented.csv
study.toml             a config that runs as it is: aaot-eval analyze study.toml
truth.json             the right answers, and how many rows carry which fault

Every TOKEN_PERSON_ID begins with TEST.
"""
