"""Each world that fools evaluations does what it says, in files as in memory, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aaot_eval.errors import UsageError
from aaot_eval.results import Panel
from aaot_eval.synthetic import SCENARIOS, WORLDS, Study, draw_study, simulate_study
from aaot_eval.synthetic.panel import panel_of
from aaot_eval.synthetic.world import ALCOHOL, PEOPLE_PER_SITE
from aaot_eval.synthetic.worlds import (
    CLAIMS,
    DISPLACED,
    LATE,
    RECODED,
    WITHHELD,
    expected,
    judged,
    pandemic_depth,
)

SMALL = {"sites": 6, "treated": 2, "months": 54, "launch_after": 30, "size": 0.5, "seed": 4}
ALC, OTHER, VISITS = "alcohol_specific_emergency", "non_alcohol_emergency", "ed_attendances"
#: Four standard errors of a binomial share: one in 16,000 runs of a right program would fall outside.
SIGMAS = 4.0


def drawn(*worlds: str, scenario: str = "null") -> tuple[Study, Panel]:
    study = draw_study(scenario=scenario, worlds=worlds, **SMALL)
    return study, panel_of(study)


@pytest.fixture(scope="module")
def plain() -> tuple[Study, Panel]:
    return drawn()


def after(panel: Panel, name: str) -> float:
    return float(panel.cells.loc[panel.cells["treated"], name].sum())


def before(panel: Panel, name: str) -> float:
    rows = panel.cells["unit"].isin(panel.treated_units) & ~panel.cells["treated"]
    return float(panel.cells.loc[rows, name].sum())


def share_is(found: float, of: float, share: float) -> None:
    assert found / of == pytest.approx(share, abs=SIGMAS * np.sqrt(share * (1 - share) / of))


def test_coding_moves_admissions_to_the_other_column_and_nowhere_else(plain):
    for name, where, untouched in (("coding_lost", after, before), ("coding_found", before, after)):
        panel = drawn(name)[1]
        lost = where(plain[1], ALC) - where(panel, ALC)
        share_is(lost, where(plain[1], ALC), RECODED)
        assert where(panel, OTHER) - where(plain[1], OTHER) == lost
        assert untouched(panel, ALC) == untouched(plain[1], ALC)
        assert panel.cells["emergency"].tolist() == plain[1].cells["emergency"].tolist()
        assert panel.cells[VISITS].tolist() == plain[1].cells[VISITS].tolist()


def test_displaced_to_ed_keeps_the_visit_and_loses_the_admission(plain):
    study, panel = drawn("displaced_to_ed")
    theirs = np.isin(study.stays.person, study.caseload.person) & (study.stays.kind == ALCOHOL)
    lost = plain[1].cells[ALC].sum() - panel.cells[ALC].sum()
    reached = study.effect.treated_on_caseload.sum()
    assert 0 < lost <= theirs.sum()
    share_is(lost, reached, DISPLACED)
    # Admissions that came through the department had their attendance already; the others get one now.
    assert 0 <= panel.cells[VISITS].sum() - plain[1].cells[VISITS].sum() < 0.3 * lost
    assert panel.cells[OTHER].tolist() == plain[1].cells[OTHER].tolist()


def test_displaced_elsewhere_keeps_the_total_and_the_people(plain):
    panel = drawn("displaced_elsewhere")[1]
    assert panel.cells[ALC].sum() == plain[1].cells[ALC].sum()
    assert after(panel, ALC) < 0.9 * after(plain[1], ALC)
    assert np.array_equal(panel.person_matrix(ALC), plain[1].person_matrix(ALC))


def test_unequal_deaths_end_what_the_dead_would_have_done(plain):
    study, panel = drawn("unequal_deaths")
    assert len(study.caseload) == len(plain[0].caseload)
    assert panel.people["death_t"].notna().sum() > plain[1].people["death_t"].notna().sum() + 10
    who, day = study.deaths()
    dies = dict(zip(who.tolist(), day.tolist(), strict=True))
    last = pd.Series(study.stays.end).groupby(study.stays.person).max()
    assert all(last[p] <= dies[p] for p in last.index if p in dies)
    ended = dict(zip(study.caseload.person.tolist(), study.caseload.ended_day.tolist(), strict=True))
    assert all(ended[p] <= dies[p] for p in ended if p in dies and ended[p] >= 0)
    assert before(panel, ALC) == before(plain[1], ALC)


def test_pandemic_takes_what_its_depth_says_and_differs_by_site():
    study, panel = drawn("pandemic")
    calm = draw_study(scenario="null", first_month="2017-07", **SMALL)
    assert study.calendar.date(0) == "2017-07-01"
    depth = pandemic_depth(SMALL["seed"], SMALL["sites"], study.calendar)
    month = int(np.flatnonzero(depth.max(axis=0) > 0)[0])
    assert study.calendar.date(study.calendar.starts[month]) == "2020-03-01"
    assert np.ptp(depth[:, month]) > 0.05
    calm_counts, counts = panel_of(calm).matrix(ALC), panel.matrix(ALC)
    assert np.array_equal(calm_counts[:, :month], counts[:, :month])
    hit = depth > 0
    assert counts[hit].sum() == pytest.approx(
        (calm_counts * (1 - depth))[hit].sum(), abs=SIGMAS * np.sqrt(calm_counts[hit].sum())
    )
    assert np.array_equal(calm_counts[:, month + 20 :], counts[:, month + 20 :])


def test_merger_moves_one_site_into_another_for_good(plain):
    panel = drawn("merger")[1]
    change = panel.matrix("emergency").astype(float) - plain[1].matrix("emergency")
    change = np.nan_to_num(change, nan=0.0)
    gone = np.flatnonzero(panel.matrix("missing").astype(bool).any(axis=1))
    assert len(gone) == 1
    taken_over = plain[1].matrix("emergency")[gone[0], 36:]
    assert (panel.matrix("missing").astype(bool)[gone[0]] == (np.arange(54) >= 36)).all()
    into = np.flatnonzero(change.sum(axis=1) > 0)
    assert [panel.units.index[i] for i in into] == [panel.units["start_t"].idxmin()]
    assert np.array_equal(change[into[0], 36:], taken_over)


def test_late_data_fade_at_treated_sites_in_the_last_months_only(plain):
    panel = drawn("late_data")[1]
    treated = panel.units.index.isin(panel.treated_units)
    for name in ("emergency", VISITS):
        was, now = plain[1].matrix(name), panel.matrix(name)
        assert np.array_equal(was[~treated], now[~treated])
        assert np.array_equal(was[:, :-3], now[:, :-3])
        for back, share in enumerate(reversed(LATE), start=1):
            share_is(now[treated, -back].sum(), was[treated, -back].sum(), share)


def test_a_closed_service_has_no_effect_and_no_caseload_afterwards():
    study, panel = drawn("closing", scenario="effect")
    without = drawn("closing")[0]
    site = next(s for s in study.sites if s.stopped is not None)
    assert site.stopped == 30 + 14
    assert panel.units.loc[site.code, "stop_t"] == 44
    removed = study.stays.take(study.effect.removed)
    theirs = removed.person // PEOPLE_PER_SITE == site.index
    assert theirs.any()
    assert study.calendar.month_of(removed.start[theirs]).max() < 44
    mine = study.caseload.site == site.index
    assert study.caseload.month[mine].max() < 44
    assert (study.caseload.ended_day[mine] >= 0).all()
    assert "closed" in study.caseload.reason
    assert len(without.caseload) == len(study.caseload)


def test_spill_over_lowers_comparison_sites_and_only_with_an_effect(plain):
    assert drawn("spill_over")[1].cells.equals(plain[1].cells)
    spilt, alone = drawn("spill_over", scenario="effect")[1], drawn(scenario="effect")[1]
    others = spilt.comparison_units
    changed = (
        alone.matrix(ALC)[[alone.units.index.get_loc(u) for u in others]]
        - spilt.matrix(ALC)[[alone.units.index.get_loc(u) for u in others]]
    )
    assert changed[:, :30].sum() == 0
    share_is(
        changed[:, 30:].sum(),
        alone.matrix(ALC)[[alone.units.index.get_loc(u) for u in others]][:, 30:].sum(),
        0.5 * 0.23,
    )


def test_who_is_taken_on():
    by = {name: drawn(name)[0] for name in ("severity", "peak", "mixed_selection")}
    met = {name: study.caseload.met_rule.mean() for name, study in by.items()}
    assert met["peak"] > 0.9
    assert met["severity"] < met["peak"]
    assert met["mixed_selection"] < met["peak"]
    severity = by["severity"]
    taken = np.concatenate(
        [w.people.severity[np.isin(w.people.number, severity.caseload.person)] for w in severity.worlds]
    )
    everybody = np.concatenate([w.people.severity for w in severity.worlds])
    assert np.median(taken) > np.quantile(everybody, 0.88)
    assert by["peak"].scenario.illness == SCENARIOS["regression_to_mean"].illness


def test_an_effect_that_cannot_come_about_at_a_peak_is_made_smaller_and_said_so():
    study = draw_study(scenario="effect", worlds=["peak"], seed=1)
    assert study.scenario.site_ratio == 0.90
    assert "0.90" in study.scenario.switched_on
    assert draw_study(scenario="effect", worlds=["merger"], seed=1).scenario.site_ratio == 0.77


@pytest.mark.parametrize(
    "worlds",
    [("coding_lost", "displaced_to_ed", "merger", "late_data"), ("unequal_deaths", "displaced_elsewhere", "closing")],
)
def test_files_hold_what_the_panel_in_memory_holds(tmp_path: Path, worlds: tuple[str, ...]) -> None:
    size = {"sites": 4, "treated": 1, "months": 44, "launch_after": 24, "size": 0.2, "seed": 3}
    truth = simulate_study(tmp_path / "s", scenario="effect", worlds=worlds, faults=0.0, **size)
    panel = panel_of(draw_study(scenario="effect", worlds=worlds, **size))
    series = pd.read_csv(tmp_path / "s" / "truth_series.csv")
    for name in (ALC, OTHER, VISITS):
        wide = series.pivot(index="site", columns="month", values=name).loc[list(panel.units.index)].to_numpy()
        assert np.array_equal(wide, np.nan_to_num(panel.matrix(name).astype(float))), name
    assert list(truth["worlds"]) == [w for w in WORLDS if w in worlds]
    stored = json.loads((tmp_path / "s" / "truth.json").read_text("utf-8"))
    assert stored["verdict"]["right"] == ["lower"]
    assert set(stored["verdict"]["honest"]) == set(WITHHELD)
    assert set(stored["verdict"]["why"]) == set(worlds)


@pytest.mark.parametrize(
    ("worlds", "sites", "code"),
    [(["flood"], 6, "C240"), (["peak", "severity"], 6, "C241"), (["merger"], 2, "C242")],
)
def test_refusals(worlds: list[str], sites: int, code: str) -> None:
    with pytest.raises(UsageError) as refusal:
        draw_study(scenario="null", worlds=worlds, **(SMALL | {"sites": sites}))
    assert [p.code for p in refusal.value.problems] == [code]
    assert refusal.value.problems[0].do


def test_every_verdict_is_judged():
    for scenario in SCENARIOS.values():
        allowed = expected(scenario, ())
        assert set(allowed["right"]) | set(allowed["wrong"]) == set(CLAIMS)
        assert {judged(w, scenario) for w in WITHHELD} == {"withheld"}
    assert judged("lower", SCENARIOS["effect"]) == "right"
    assert judged("no_effect", SCENARIOS["null"]) == "right"
    assert judged("no_effect", SCENARIOS["harm"]) == "fooled"
    assert judged("lower", SCENARIOS["single_site"]) == "fooled"
    with pytest.raises(ValueError, match="no verdict"):
        judged("perhaps", SCENARIOS["null"])
