"""Random effects over a few sites: by hand, against published numbers, and one failing site among others."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from aaot_eval.estimators._pooling import paule_mandel, pool, pooled_sites
from aaot_eval.estimators.its import InterruptedTimeSeries
from aaot_eval.results import Analysis, Estimate
from aaot_eval.schema import table_schema
from tests.builders import site_panel

OUTCOME = "admissions"
#: BCG vaccine trials (Colditz and others 1994, as in many textbooks): cases and no cases, vaccinated then not.
BCG = np.array([
    (4, 119, 11, 128), (6, 300, 29, 274), (3, 228, 11, 209), (62, 13536, 248, 12619), (33, 5036, 47, 5761),
    (180, 1361, 372, 1079), (8, 2537, 10, 619), (505, 87886, 499, 87892), (29, 7470, 45, 7232), (17, 1699, 65, 1600),
    (186, 50448, 141, 27197), (5, 2493, 3, 2338), (27, 16886, 29, 17825),
], dtype=float)  # fmt: skip
#: As metafor's documentation and textbooks print them: three or four figures.
PRINTED = 5e-4


def site(name: str, log: float, error: float, **more: object) -> Estimate:
    half = 1.96 * error
    ends = {"conf_low": math.exp(log - half), "conf_high": math.exp(log + half)}
    return replace(
        Estimate("its", "series", "its", OUTCOME, "change in level of x against the series' own past, as a ratio of the rate",
                 "rate_ratio", math.exp(log), unit=name, std_error=error, n_obs=48, n_periods=48, **ends),
        **more,
    )  # fmt: skip


def test_bcg_trials_as_printed() -> None:
    a, b, c, d = BCG.T
    effects = np.log((a / (a + b)) / (c / (c + d)))
    variances = 1 / a - 1 / (a + b) + 1 / c - 1 / (c + d)
    found = pool(effects, variances)
    assert found.q == pytest.approx(152.233, abs=PRINTED)
    assert found.i2 == pytest.approx(0.9212, abs=PRINTED)  # (152.233 - 12) / 152.233
    assert found.tau2 == pytest.approx(0.3181, abs=PRINTED)  # Paule-Mandel
    assert (found.tau2_low, found.tau2_high) == pytest.approx((0.1197, 1.1115), abs=PRINTED)  # Q profile
    assert found.mean == pytest.approx(-0.7150, abs=PRINTED)


def test_three_sites_by_hand() -> None:
    # Equal variances: Paule-Mandel solves 0.5 / (0.04 + tau2) = 2, the mean is the plain mean.
    found = pool(np.array([0.0, 0.5, 1.0]), np.full(3, 0.04))
    assert found.tau2 == pytest.approx(0.21)
    assert found.std_error == pytest.approx(math.sqrt(0.25 / 3))
    assert found.high == pytest.approx(0.5 + stats.t.ppf(0.975, 2) * math.sqrt(0.25 / 3))
    assert found.further_high == pytest.approx(0.5 + stats.t.ppf(0.975, 1) * math.sqrt(0.21 + 0.25 / 3))
    assert found.weights == pytest.approx([1 / 3] * 3)


def test_sites_that_agree_by_chance_are_not_made_surer_by_it() -> None:
    found = pool(np.array([0.1, 0.1, 0.1]), np.full(3, 0.04))
    assert found.tau2 == 0
    assert found.i2 == 0
    assert found.std_error == pytest.approx(math.sqrt(0.04 / 3))  # Hartung-Knapp alone would say 0
    assert found.tau2_high == 0  # Q is 0, below every quantile: no spread fits such agreement


def test_two_sites_predict_nothing_and_one_is_no_mean() -> None:
    found = pool(np.array([0.1, 0.3]), np.array([0.02, 0.03]))
    assert math.isnan(found.further_low)
    with pytest.raises(ValueError, match="two sites"):
        pool(np.array([0.1]), np.array([0.02]))
    with pytest.raises(ValueError, match="two sites"):
        pool(np.array([0.1, 0.2]), np.array([0.02, 0.0]))


def test_the_variance_is_zero_when_sites_vary_no_more_than_chance() -> None:
    assert paule_mandel(np.array([0.0, 0.1]), np.array([0.1, 0.1])) == 0


def test_interval_covers_for_three_sites() -> None:
    rng = np.random.default_rng(7)
    reps, tau, hits, further = 600, 0.1, 0, 0
    for _ in range(reps):
        variances = rng.uniform(0.005, 0.03, 3)
        truth = rng.normal(-0.2, tau, 4)
        found = pool(truth[:3] + rng.normal(0, np.sqrt(variances)), variances)
        hits += found.low <= -0.2 <= found.high
        further += found.further_low <= truth[3] <= found.further_high
    assert hits / reps > stats.binom.ppf(0.005, reps, 0.95) / reps
    assert further / reps > stats.binom.ppf(0.005, reps, 0.95) / reps


def test_what_three_sites_can_tell_is_said() -> None:
    mean = pooled_sites([site("A", -0.2, 0.1), site("B", -0.3, 0.1), site("C", -0.1, 0.12)], 0.95, "Mean")
    assert "three sites say little about whether sites differ" in mean.note
    assert "I2 0 %" in mean.note
    table = mean.tables["pooling"]
    assert list(table["kind"]) == ["site"] * 3 + ["mean", "further site"]
    assert set(table.columns) <= set(table_schema("release", "pooling").names)
    last = table.iloc[-1]
    assert last["conf_low"] < table["conf_low"].iloc[3] < table["conf_high"].iloc[3] < last["conf_high"]
    assert table["weight"].sum() == pytest.approx(1)


def test_one_failing_site_stays_in_the_table_with_its_reason() -> None:
    failed = site("C", 0.0, 0.1, status="not_estimable", estimate=math.nan, std_error=math.nan, conf_low=math.nan,
                  conf_high=math.nan, note="too few periods.")  # fmt: skip
    mean = pooled_sites([site("A", -0.2, 0.1), failed, site("B", -0.3, 0.1)], 0.95, "Mean")
    table = mean.tables["pooling"].set_index("unit")
    assert table.loc["C", "note"] == "too few periods."
    assert math.isnan(table.loc["C", "weight"])
    assert "not in it: C" in mean.note
    assert mean.n_treated == 2
    assert "two sites cannot say what a further site would see" in mean.note
    assert "further site" not in set(mean.tables["pooling"]["kind"])
    alone = pooled_sites([site("A", -0.2, 0.1), failed], 0.95, "Mean")
    assert alone.status == "not_estimable"
    young = pooled_sites([site("A", -0.2, 0.1), replace(failed, status="monitoring_only")], 0.95, "Mean")
    assert young.status == "monitoring_only"


def test_series_of_three_sites_and_one_that_cannot_be_fitted(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    counts = rng.poisson(100, (4, 60))
    counts[:3, 36:] = rng.poisson(80, (3, 24))
    panel = site_panel({OUTCOME: counts}, [36, 36, 40, 2], units=["A", "B", "C", "D"])
    analysis = Analysis("its", "series", "its", OUTCOME)
    rows = InterruptedTimeSeries().fit(panel, analysis, seed=1)
    sites, mean = rows[:4], rows[4]
    assert [e.unit for e in sites] == ["A", "B", "C", "D"]
    assert sites[3].status == "not_estimable"
    assert sites[3].note
    assert mean.unit == ""
    assert mean.n_treated == 3
    assert mean.conf_method == "random_effects_t"
    assert mean.conf_low < mean.estimate < mean.conf_high
    assert mean.tables["pooling"].set_index("unit").loc["D", "note"] == sites[3].note

    from aaot_eval.estimators import its

    real = its.fit_model

    def breaks(series, *rest):  # type: ignore[no-untyped-def]
        if series.unit == "B":
            raise np.linalg.LinAlgError("singular")
        return real(series, *rest)

    monkeypatch.setattr(its, "fit_model", breaks)
    rows = InterruptedTimeSeries().fit(panel, analysis, seed=1)
    assert rows[1].status == "not_estimable"
    assert "no solution (LinAlgError)" in rows[1].note
    assert rows[0].status == rows[2].status == "ok"
    assert rows[4].n_treated == 2
