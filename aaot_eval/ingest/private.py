"""Private patients: left out when the study says so, else counted, with a warning where their share jumps."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd

from aaot_eval.config import QualityConfig, RunConfig
from aaot_eval.engine import Engine
from aaot_eval.errors import InputError, Problem
from aaot_eval.findings import Finding
from aaot_eval.ingest.completeness import clock_of
from aaot_eval.ingest.plan import Given
from aaot_eval.names import shown_names

#: Administrative category 02, with and without its nought.
PRIVATE = ("02", "2")
# A share of fewer private episodes than this is not shown by site; fewer episodes of all kinds say nothing about a change.
LEAST_SHOWN, LEAST_EPISODES, ERRORS = 10, 50, 4.0


def refuse_without_category(config: RunConfig, given: Sequence[Given]) -> None:
    """Raises InputError (D326) when private patients shall leave and a file of admissions does not say who they are."""
    if config.counting.private_patients == "keep":
        return
    without = [p for g in given if g.table == "episodes" for p in g.plans if "admin_category" not in p.columns]
    if without:
        names = without[0].schema["admin_category"].source_names
        raise InputError(
            Problem(
                "D326",
                "private patients shall be left out, and a file of admissions does not say who they are",
                where=without[0].name + (f" and {len(without) - 1} more" if len(without) > 1 else ""),
                allowed=f"a column such as {', '.join(names)}" if names else "",
                do="map admin_category under [data.columns], or keep them: left out of some files alone, they would make a step",
            )
        )


def leave_out_private(engine: Engine, config: RunConfig) -> None:
    """The judged episodes of private patients leave, when the study says so."""
    if config.counting.private_patients == "drop":
        engine.run("private_episodes", private=PRIVATE)


def check_private(
    engine: Engine,
    given: Collection[str],
    months: pd.DataFrame,
    first: pd.Period,
    last: pd.Period,
    limits: QualityConfig,
) -> list[Finding]:
    """How many episodes are of private patients, with their share by provider (D414), and where that share changes from one half of
    the study to the other at a provider with the service (D415; without a sites table at any).

    `months` is `provider_months` of the usable months.
    """
    if not engine.rows(f"SELECT count(*) FROM episodes_read WHERE admin_category IN ({', '.join(map(repr, PRIVATE))})")[
        0
    ][0]:
        return []
    engine.run("private_months", private=PRIVATE)
    begin, end = clock_of(first), clock_of(last)
    found = engine.frame(f"SELECT * FROM private_months WHERE clock BETWEEN {begin} AND {end} ORDER BY provider, clock")
    engine.drop("private_months")
    if found.empty:
        return []
    both = months[["provider", "clock", "n"]].merge(
        found, on=["provider", "clock"], how="left", suffixes=("", "_private")
    )
    both = both.fillna({"n_private": 0}).assign(late=both["clock"] >= begin + (end - begin + 1) // 2)
    by_site = both.groupby("provider")[["n", "n_private"]].sum()
    shown = [
        f"{shown_names([provider])} {row['n_private'] / row['n']:.1%}"
        for provider, row in by_site.iterrows()
        if row["n_private"] >= LEAST_SHOWN
    ]
    findings = [Finding("D414", where="admissions", records=int(found["n"].sum()), detail=", ".join(shown))]
    served = (
        [r[0] for r in engine.rows("SELECT site FROM sites WHERE go_live IS NOT NULL ORDER BY site")]
        if "sites" in given
        else None
    )
    for provider, rows in both.groupby("provider"):
        if served is None or any(str(site).startswith(str(provider)) for site in served):
            findings += _jump(str(provider), rows, limits.limit("D415"))
    return findings


def _jump(provider: str, rows: pd.DataFrame, limit: float) -> list[Finding]:
    """A finding when the share of private episodes in one half differs from the other beyond the limit and beyond chance."""
    halves = rows.groupby("late")[["n", "n_private"]].sum()
    if len(halves) < 2 or halves["n"].min() < LEAST_EPISODES:
        return []
    n, private = halves["n"].to_numpy(dtype=float), halves["n_private"].to_numpy(dtype=float)
    before, after = private / n
    mean = private.sum() / n.sum()
    by_chance = math.sqrt(mean * (1 - mean) * float(np.sum(1 / n)))
    if abs(after - before) < limit or abs(after - before) <= ERRORS * by_chance:
        return []
    detail = (
        f"{before:.0%} of the episodes in the first half of the months, {after:.0%} in the second; limit {limit:.0%}"
    )
    return [Finding("D415", where=shown_names([provider]), detail=detail)]
