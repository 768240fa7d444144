"""Numbers that libraries get wrong by default, run here as they come, with ours beside them."""

from __future__ import annotations

import json
import math
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from statsmodels.tsa.statespace.sarimax import SARIMAX

from aaot_eval.checks import _honest as honest
from aaot_eval.estimators import _clustered as cl
from aaot_eval.estimators import _randomisation as ri
from aaot_eval.estimators._glm import fit_poisson
from aaot_eval.estimators._its_model import harmonics
from aaot_eval.estimators._series_companions import fit_least_squares, newey_west, prais_winsten, seasonal_arima
from aaot_eval.estimators._sites import SiteData, site_data
from aaot_eval.estimators.two_way import linear_cr1
from tests.builders import site_panel

#: Printed with five decimals in the notes.
PRINTED = 5e-6
# fixest and we count the same parameters; the last figures are those of another demeaning.
SAME = 1e-3


def frame_of(shared: Path, case: str) -> tuple[pd.DataFrame, dict]:
    folder = shared / "reference_cases" / case
    return pd.read_csv(folder / "data.csv"), json.loads((folder / "expected.json").read_text(encoding="utf-8"))


@pytest.fixture
def mpdta(shared: Path) -> tuple[pd.DataFrame, SiteData]:
    """The long table with the switch, and the same as our table."""
    data, _ = frame_of(shared, "did/mpdta")
    data["on"] = ((data["first.treat"] > 0) & (data["year"] >= data["first.treat"])).astype(float)
    wide = data.pivot(index="countyreal", columns="year", values="lemp")
    begun = data.groupby("countyreal")["first.treat"].first().to_numpy()
    starts = np.where(begun == 0, 5, begun - 2003)
    one = np.ones(wide.shape)
    table = SiteData(tuple(map(str, wide.index)), np.arange(5), wide.to_numpy(), one, starts.astype(np.int64), np.arange(5.0), False, False, 0.0,
                     "difference", 0, ())  # fmt: skip
    return data, table


def test_linearmodels_by_default_is_twelve_per_cent_too_wide(mpdta) -> None:
    from linearmodels.panel import PanelOLS

    data, table = mpdta
    panel = data.set_index(["countyreal", "year"])
    fit = PanelOLS(panel["lemp"], panel[["on"]], entity_effects=True, time_effects=True).fit(
        cov_type="clustered", cluster_entity=True
    )
    wrong = float(fit.std_errors.iloc[0])
    ours = linear_cr1(table, table.values)
    assert wrong == pytest.approx(0.01482, abs=PRINTED)
    assert ours.std_error == pytest.approx(0.01327, rel=SAME)
    assert wrong / ours.std_error == pytest.approx(1.12, abs=0.01)
    assert ours.estimate == pytest.approx(float(fit.params.iloc[0]), rel=1e-9)


def test_diff_diff_two_way_handed_the_switch_returns_nought(mpdta) -> None:
    from diff_diff import TwoWayFixedEffects

    data, table = mpdta
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = TwoWayFixedEffects().fit(data, outcome="lemp", treatment="on", time="year", unit="countyreal")
    assert abs(float(found.att)) < 1e-3  # -1.8e-05 in the notes; any number near nought is as wrong
    assert linear_cr1(table, table.values).estimate == pytest.approx(-0.0365, abs=5e-5)


def test_site_names_in_words_are_no_obstacle_to_randomisation_and_bootstrap() -> None:
    counts = np.random.default_rng(1).poisson(60, (8, 30)).astype(float)
    names = ["St Mary's", "Royal, North", "Ünal", "A & E", "x y", "Ñ", "7", "z"]
    named = site_data(site_panel({"a": counts}, [14, 14, *[None] * 6], units=names), "a")
    plain = site_data(site_panel({"a": counts}, [14, 14, *[None] * 6]), "a")
    assert named.units == tuple(names)
    assert cl.wild_bootstrap(named, named.level()) == cl.wild_bootstrap(plain, plain.level())
    ways = ri.assign_starts(named.starts, named.n_periods, 1)
    table = ri.change_table(named.values, named.exposure, ways.starts)
    assert ways.total == 28
    assert ri.p_value(ways.contrast(table), ways.real) >= 1 / 28


def test_without_a_named_cluster_a_library_gives_another_standard_error(mpdta) -> None:
    fixest = pytest.importorskip("pyfixest")
    data, table = mpdta
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        alone = float(fixest.feols("lemp ~ on | countyreal + year", data, vcov="iid").se()["on"])
        named = float(fixest.feols("lemp ~ on | countyreal + year", data, vcov={"CRV1": "countyreal"}).se()["on"])
    ours = linear_cr1(table, table.values).std_error
    assert ours == pytest.approx(named, rel=SAME)
    assert abs(alone / ours - 1) > 0.04


def test_honest_interval_of_the_library_is_not_that_of_r(shared: Path) -> None:
    """Medicaid, Mbar = 2: R's interval holds nought, the library's leaves it out; ours is R's."""
    from diff_diff import HonestDiD
    from diff_diff.results import MultiPeriodDiDResults, PeriodEffect

    folder = shared / "reference_cases/did/honest_did_medicaid"
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    given = expected["inputs"]
    beta, sigma, periods = np.array(given["betahat"]), np.array(given["sigma"]), list(range(7))
    effects = {p: PeriodEffect(p, float(beta[p]), math.sqrt(sigma[p, p]), 0.0, 1.0, (0.0, 0.0)) for p in periods}
    fitted = MultiPeriodDiDResults(effects, 0.0, 1.0, 0.0, 1.0, (0.0, 0.0), 1, 1, 1, periods[:5], periods[5:], vcov=sigma,
                                   interaction_indices={p: p for p in periods})  # fmt: skip
    weights = np.array(given["l_vec"], dtype=float)
    theirs = HonestDiD(method="relative_magnitude", M=2.0, l_vec=weights).fit(fitted)
    ours = honest.relative_magnitudes(honest.EventVector(beta, sigma, given["n_pre"], weights), 2.0, 0.05, 1)
    of_r = expected["published"]["relative_magnitudes_C_LF"]["2"]
    assert (theirs.ci_lb, theirs.ci_ub) == pytest.approx((0.01127, 0.08163), abs=PRINTED)
    assert ours[:2] == pytest.approx(of_r, abs=1e-3)
    assert ours[0] < 0 < theirs.ci_lb


def test_arima_on_raw_counts_stops_at_a_false_optimum(shared: Path) -> None:
    data, expected = frame_of(shared, "its/quetiapine_arima")
    y, month = data["dispensings"].to_numpy(float), np.arange(48)
    regressors = np.column_stack([month >= 36, np.maximum(0, month - 35)]).astype(float)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        raw = SARIMAX(y, regressors, order=(2, 1, 0), seasonal_order=(0, 1, 1, 12)).fit(disp=0)
    truth = expected["models"]["arima_210_011_step_ramp_ml"]["coef"]["step"]
    ours = seasonal_arima(y, regressors, (2, 1, 0), (0, 1, 1, 12))
    assert abs(float(raw.params[0]) / truth["estimate"] - 1) > 0.2
    assert float(raw.llf) < ours.log_likelihood - 1
    assert ours.beta[0] == pytest.approx(truth["estimate"], rel=5e-4)


def test_newey_west_by_default_is_narrower_than_in_other_programs(shared: Path) -> None:
    """California: Stata's and R's standard error of the step has n / (n - p); the library's default has not, and no t either."""
    data, expected = frame_of(shared, "its/prop99_itsa_single")
    year, y = data["year"].to_numpy(), data["cigsale"].to_numpy(float)
    X = np.column_stack([np.ones(len(y)), year - 1970, year >= 1989, np.maximum(0, year - 1989)]).astype(float)
    default = sm.OLS(y, X).fit(cov_type="HAC", cov_kwds={"maxlags": 1})
    fit = fit_least_squares(y, X)
    ours = math.sqrt(newey_west(X * (y - fit.mu)[:, None], fit.bread, year, 1)[2, 2])
    assert ours == pytest.approx(expected["counterfactual"]["effect_se_nw1"][0], rel=1e-6)
    assert float(default.bse[2]) == pytest.approx(ours * math.sqrt((len(y) - 4) / len(y)), rel=1e-6)
    assert not default.use_t


def test_glsar_drops_the_first_period() -> None:
    rng = np.random.default_rng(3)
    X = np.column_stack([np.ones(30), np.arange(30)])
    y = 2 + 0.1 * np.arange(30) + rng.normal(size=30)
    model = sm.GLSAR(y, X, rho=1)
    model.iterative_fit(10)
    assert len(model.wendog) == 29
    changed = y.copy()
    changed[0] += 5
    # With the first period kept it counts, as in Prais and Winsten.
    assert prais_winsten(changed, X, np.arange(30)).beta[0] != pytest.approx(
        prais_winsten(y, X, np.arange(30)).beta[0], rel=1e-3
    )


def test_without_the_days_of_a_month_the_dispersion_is_several_times_as_large(shared: Path) -> None:
    data, expected = frame_of(shared, "its/nhs_ae_admissions_placebo")
    month = pd.PeriodIndex(data["period"].str[:7], freq="M")
    n = len(data)
    level = np.asarray(month >= pd.Period("2018-04", "M"), dtype=float)
    X = np.column_stack([np.ones(n), np.arange(n), level, *harmonics(np.asarray(month.month, dtype=float), 2, 12)[0]])
    y = data["admissions"].to_numpy(float)
    with_days = fit_poisson(y, X, np.log(data["days"].to_numpy(float)))
    without = fit_poisson(y, X, np.zeros(n))
    wanted = expected["models"]["quasipoisson_level_harmonic2_offset_days"]["dispersion_pearson"]
    assert with_days.dispersion == pytest.approx(wanted, rel=1e-6)
    assert without.dispersion > 5 * with_days.dispersion
