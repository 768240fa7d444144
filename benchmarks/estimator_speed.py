"""CPU seconds of single estimators on series and panels of the size people have. Stores the answer.

    python -m benchmarks.estimator_speed [--only NAME ...] [--out docs/results]

A task is a function that makes its data and returns what is timed; each is run once to warm up and then three times, and
the middle one counts. `LIMITS` were set beforehand. A run with some tasks replaces their rows only.
"""

from __future__ import annotations

import argparse
import csv
import functools
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from aaot_eval.estimators import build_estimator
from aaot_eval.estimators.trial import ARMS
from aaot_eval.results import Analysis, generator
from benchmarks.stamp import commit_now
from tests.builders import site_panel

ROOT = Path(__file__).resolve().parent.parent
COLUMNS = ("task", "what", "cpu_seconds", "peak_gib", "limit", "within", "machine", "commit")
RUNS = 3
PATIENT_OUTCOME = "alcohol_specific_emergency"
PATIENTS = "100,000 patients x 36 months"
RULE = {"rule_count": 3, "rule_months": 6, "follow_up": 6}
#: The parts of the study of 100,000 patients, which have one limit together; each is timed once, without a run to warm up.
TOGETHER, LIMIT_TOGETHER, MOST_GIB = "patients_all", 60.0, 4.0


def series(months: int = 84, controls: int = 0) -> Any:
    """A panel of one treated site (and controls) of `months` months, start in the middle."""
    t = np.arange(months)
    mu = 100 * np.exp(0.1 * np.cos(2 * np.pi * t / 12)) * np.ones((controls + 1, 1))
    counts = generator(1, "estimator_speed", months, controls).negative_binomial(mu, 0.5)
    return site_panel({"stays": counts}, [months // 2] + [None] * controls, first="2010-04")


def fitting(name: str, options: dict[str, Any], panel: Any) -> Callable[[], object]:
    """The fit of one estimator on one panel."""
    estimator = build_estimator(name, options)
    analysis = Analysis("a", estimator.design, name, "stays")
    return lambda: estimator.fit(panel, analysis, seed=1)


def sites() -> Any:
    """14 sites by 36 months, three of them with a service."""
    mu = np.exp(generator(2, "estimator_speed", "sizes").normal(4.0, 0.5, 14))[:, None] * np.ones(36)
    counts = generator(2, "estimator_speed", "sites").poisson(mu)
    return site_panel({"stays": counts}, [18, 18, 20] + [None] * 11)


def exact_and_wild() -> Callable[[], object]:
    """Randomisation over every assignment of the starts, and the two-way models with the wild bootstrap of 2^14 signs."""
    panel = sites()
    fits = [fitting(name, {}, panel) for name in ("site_did", "two_way")]
    return lambda: [fit() for fit in fits]


@functools.cache
def patients() -> Any:
    """100,000 people by 36 months in 14 hospitals, three of them with a service from months 26, 27 and 28."""
    from benchmarks.patient_worlds import World, simulate

    return simulate(World(people=100_000, hospitals=14, launches=(26, 27, 28), months=36, rule=(3, 6)), 1)


@functools.cache
def allocated() -> Any:
    """The same people, each allocated by chance to one of two arms in a month of the second year."""
    panel, rng = patients(), generator(3, "estimator_speed", "trial")
    n = len(panel.people)
    month = pd.array(rng.integers(12, 25, n), dtype="Int64")
    arm = np.where(rng.random(n) < 0.5, ARMS[1], ARMS[0]).astype(object)
    return replace(panel, people=panel.people.assign(arm=arm, allocated_t=month))


@functools.cache
def trust() -> Any:
    """100,000 people by 60 months of one trust alone, launch in month 37: with 36 months in all there is no past to compare with."""
    from benchmarks.patient_worlds import World, simulate

    return simulate(World(people=100_000, hospitals=1, launches=(36,), months=60), 1)


def of_patients(name: str, options: dict[str, Any], make: Callable[[], Any] = patients) -> Callable[[], object]:
    """The fit of one design on a panel of people."""
    estimator = build_estimator(name, options)
    analysis = Analysis(name, estimator.design, name, PATIENT_OUTCOME, primary=name == "trial")
    objections = estimator.objections(make(), analysis)
    if objections:
        raise SystemExit(f"{name}: {objections[0].what}")
    return lambda: estimator.fit(make(), analysis, seed=1)


def building_panel() -> Callable[[], object]:
    """The panel itself, from arrays of people by months."""
    from benchmarks.patient_worlds import World, draw

    drawn = draw(World(people=100_000, hospitals=14, launches=(26, 27, 28), months=36, rule=(3, 6)), 1)
    return drawn.panel


def bare_fepois() -> Callable[[], object]:
    """The bare library on the people and months that the foil of two-way models uses."""
    import pyfixest

    from aaot_eval.estimators._cohorts import person_months
    from aaot_eval.estimators.patient_two_way import person_rows

    frame = person_rows(person_months(patients(), PATIENT_OUTCOME, PATIENT_OUTCOME), patients())
    return lambda: pyfixest.fepois("y ~ on_team | person + month", frame, vcov={"CRV1": "hospital"}, offset="log_days")


#: name: (what is timed, limit in CPU seconds, what makes it)
TASKS: dict[str, tuple[str, float, Callable[[], Callable[[], object]]]] = {
    "its_default": ("84-month series, the default alone", 0.2, lambda: fitting("its", {"sensitivity": False}, series())),
    "its_all_rows": ("84-month series with every sensitivity row", 2.0, lambda: fitting("its", {}, series())),
    "controlled_its_all_rows": (
        "84-month series with eight control sites and every sensitivity row", 4.0,
        lambda: fitting("controlled_its", {}, series(84, 8)),
    ),
    "sites_exact_and_wild": ("14 sites x 36 months: exact randomisation, two-way models, wild bootstrap of 2^14", 5.0, exact_and_wild),
    "patients_1_panel": (f"{PATIENTS}: the panel from arrays", 60.0, building_panel),
    "patients_2_group_time": (f"{PATIENTS}: Callaway-Sant'Anna over hospitals", 60.0, lambda: of_patients("group_time", {})),
    "patients_3_poisson": (f"{PATIENTS}: Poisson and linear fixed effects of people and months", 60.0, lambda: of_patients("patient_two_way", {})),
    "patients_4_itt": (f"{PATIENTS}: entry-rule ITT, exact randomisation", 60.0, lambda: of_patients("entry_rule", RULE)),
    "patients_5_risk_set": (f"{PATIENTS}: risk set with balancing", 60.0, lambda: of_patients("risk_set", RULE)),
    "patients_6_group_time_people": (f"{PATIENTS}: Callaway-Sant'Anna over people, by referral", 60.0, lambda: of_patients("patient_group_time", {"no_peak": True})),
    "patients_7_group_time_launch": (
        f"{PATIENTS}: Callaway-Sant'Anna over people, by launch, exact randomisation", 60.0,
        lambda: of_patients("patient_group_time", {"by": "launch"}),
    ),
    "patients_8_event_study_people": (f"{PATIENTS}: event study over people, with bands", 60.0, lambda: of_patients("patient_event_study", {"no_peak": True})),
    "patients_9_trial": (f"{PATIENTS}: a trial of all of them", 60.0, lambda: of_patients("trial", {}, allocated)),
    "patients_own_cohorts": (
        "100,000 patients x 60 months of one trust: its own cohorts, every row", 60.0,
        lambda: of_patients("own_cohorts", {"rule_count": 4, "rule_months": 12}, trust),
    ),
    "patients_bare_fepois": (f"{PATIENTS}: the bare library's Poisson fixed effects alone", 60.0, bare_fepois),
}  # fmt: skip


def peak() -> float:
    """The most memory that this process has held so far, in GiB; not a number where the system does not tell."""
    try:
        import resource
    except ImportError:
        return float("nan")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def timed(task: Callable[[], object], runs: int) -> float:
    """The middle of some runs, in CPU seconds of this process, after one to warm up when there are several."""
    if runs > 1:
        task()
    spent = []
    for _ in range(runs):
        begin = time.process_time()
        task()
        spent.append(time.process_time() - begin)
    return statistics.median(spent)


def _row(name: str, what: str, seconds: float, limit: float, commit: str, most: float | None = None) -> dict[str, Any]:
    held = peak() if most is None else most
    within = seconds < limit and not (name.startswith("patients") and held > MOST_GIB)
    machine = f"{platform.machine()}, {os.cpu_count()} cores"
    values = (name, what, f"{seconds:.2f}", f"{held:.2f}", limit, "yes" if within else "no", machine, commit)
    return dict(zip(COLUMNS, values, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=sorted(TASKS), default=list(TASKS))
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results")
    args = parser.parse_args()
    commit = commit_now()
    stored = args.out / "estimator_speed.csv"
    rows: dict[str, dict[str, Any]] = {}
    if stored.exists():
        with stored.open(encoding="utf-8", newline="") as file:
            rows = {r["task"]: r for r in csv.DictReader(file)}
    for name in args.only:
        what, limit, make = TASKS[name]
        seconds = timed(make(), 1 if name.startswith("patients") else RUNS)
        rows[name] = _row(name, what, seconds, limit, commit)
    parts = [r for n, r in rows.items() if n.startswith("patients_") and n[9].isdigit()]
    if any(n.startswith("patients") for n in args.only) and len(parts) == sum(
        n[:9] == "patients_" and n[9].isdigit() for n in TASKS
    ):
        total = sum(float(r["cpu_seconds"]) for r in parts)
        most = max(float(r["peak_gib"]) for r in parts)
        rows[TOGETHER] = _row(
            TOGETHER, f"{PATIENTS}: the {len(parts)} parts together", total, LIMIT_TOGETHER, commit, most
        )
    args.out.mkdir(parents=True, exist_ok=True)
    with stored.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows[k] for k in sorted(rows))
    lines = [
        "# Speed of the estimators, measured", "",
        "Made by `python -m benchmarks.estimator_speed`: CPU seconds of one process with one thread, the middle of three runs after one to warm up",
        f"(patients: one run, at most {MOST_GIB:g} GiB). Peak memory is that of the process up to then, the data included.", "",
        "| what | CPU seconds | peak GiB | limit | within | machine | commit |", "|---|---|---|---|---|---|---|",
        *(f"| {r['what']} | {r['cpu_seconds']} | {r.get('peak_gib') or ''} | {r['limit']} | {r['within']} | {r['machine']} | {r['commit']} |" for _, r in sorted(rows.items())),
    ]  # fmt: skip
    (args.out / "estimator_speed.md").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
