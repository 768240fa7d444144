"""The study of false alarms with staggered starts: its quick ways are what `fit` does, its truths are known, a sample is stored."""

from __future__ import annotations

import functools
import math

import numpy as np
import pandas as pd
import pytest

from aaot_eval.estimators import build_estimator
from aaot_eval.results import Analysis, Panel
from benchmarks import staggered_placebo as study
from tests.builders import site_panel

# The same sums in another order.
EXACT = 1e-9
# The ends of an interval come from 14 halvings of a step of 0.02 on the log scale.
END = 2e-6
CONTROL = "non_alcohol_emergency"


design_of = functools.cache(study.Design.of)


def drawn(cell: study.Cell, kind: str) -> tuple[study.World, np.ndarray, dict[str, float]]:
    rng = np.random.default_rng(1)
    world = study.world(rng, cell)
    ratio = study.ratios(cell, kind)
    return world, rng.poisson(world.mean * world.shock * ratio).astype(float), study.truths(cell, world, ratio)


def panel(cell: study.Cell, world: study.World, values: np.ndarray) -> Panel:
    starts = [int(s) if s < study.MONTHS else None for s in cell.starts]
    made = site_panel({"stays": values, CONTROL: world.control}, starts, population=list(world.exposure[:, 0]))
    made.cells["exposure"] = world.exposure.ravel()
    return made


@pytest.mark.parametrize(
    ("cell", "method"),
    [*((study.Cell(14, 2), m) for m in study.METHODS), (study.Cell(14, 6), "imputation")],
    ids=[*study.METHODS, "imputation by t"],
)
def test_the_quick_way_is_what_fit_does(cell: study.Cell, method: str) -> None:
    world, values, truth = drawn(cell, "same")
    row = study.read_panel(design_of(cell), world, values, truth)
    first, *_ = build_estimator(method, {}).fit(
        panel(cell, world, values), Analysis("a", "sites", method, "stays"), seed=1
    )
    role = "t_" if first.conf_method == "wald_t" else ""
    assert row[f"{method}.{role}null"] == pytest.approx(first.p_value, rel=EXACT)
    if method != "triple_difference":
        assert row[f"{method}.log"] == pytest.approx(math.log(first.estimate), abs=EXACT)
    for end in (first.conf_low, first.conf_high):
        for outside, covers in ((1, False), (-1, True)):
            away = 2 * END * outside * (1 if end == first.conf_high else -1)
            p = study.read_panel(design_of(cell), world, values, dict.fromkeys(truth, math.log(end) + away))
            assert (p[f"{method}.{role}truth"] > study.LEVEL + 1e-10) == covers


@pytest.mark.parametrize("cell", [study.Cell(14, 2), study.Cell(14, 6)], ids=["few", "more"])
def test_bands_are_those_of_the_event_study(cell: study.Cell) -> None:
    """With two treated every assignment is held; with six the study draws other ones."""
    world, values, _ = drawn(cell, "none")
    design = design_of(cell)
    row = study.bands(design, values / world.exposure, study.site_data(cell, values, world.exposure))
    first = build_estimator("event_study", {}).fit(
        panel(cell, world, values), Analysis("a", "sites", "event_study", "stays"), seed=1
    )[0]
    assert row["band.critical"] == pytest.approx(first.facts["critical"], rel=1e-6 if cell.few else 0.1)
    points = first.facts["points"]
    ours = [m.average(values / world.exposure).log_ratio for m in design.points]
    assert ours == pytest.approx(points.values, abs=EXACT)


def test_truths_of_one_ratio_for_all_are_that_ratio() -> None:
    cell = study.Cell(14, 3)
    _, _, truth = drawn(cell, "same")
    assert list(truth.values()) == pytest.approx([study.EFFECT] * 4)
    _, _, growing = drawn(cell, "growing")
    assert len({round(v, 6) for v in growing.values()}) == 4
    assert all(-0.45 < v < -0.05 for v in growing.values())


def test_a_fixed_sample_stays_near_what_is_stored() -> None:
    """100 panels: at 5 % more than 12 alarms, or at 95 % fewer than 88 intervals that hold, come once in 500 such samples."""
    cell = study.Cell(14, 2)
    rows = study.score(cell, study.run_cell(cell, 100))
    assert [r["method"] for r in rows] == list(study.METHODS)
    for row in rows:
        assert row["false_alarms"] <= 12, row
        assert row["covered_same"] >= 88, row
        assert row["covered_growing"] >= 88, row


def test_bands_of_a_fixed_sample() -> None:
    """60 panels of a design with cohorts of two: the bands that were in force before had one outside in half of them."""
    cell = study.Cell(14, 6)
    after, before, drift = study.score_bands(cell, study.run_bands(cell, 60))
    assert after["inference"] == "randomisation"
    assert all(row["false_alarms"] <= 9 for row in (after, before, drift))


def test_a_row_fails_outside_its_band_only_beyond_chance() -> None:
    def row(alarms: int, covered: int) -> pd.Series:
        return pd.Series({"reps": 2000, "false_alarms": alarms, "covered_same": covered, "covered_growing": math.nan})

    assert study.fails(row(140, 1900)) == ""
    assert study.fails(row(168, 1900)) == ""  # 8.4 %: its 99 % interval still holds 7 %
    assert study.fails(row(180, 1900)) == "false alarms"
    assert study.fails(row(100, 1800)) == "coverage, same"
