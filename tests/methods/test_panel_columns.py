"""Clusters of sites and weights of an aggregated panel: against other programs, by brute force, and their refusals."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from aaot_eval.estimators import _clustered as cl
from aaot_eval.estimators import build_estimator
from aaot_eval.estimators._sites import SiteData, site_data
from aaot_eval.estimators.two_way import linear_cr1, poisson_cr1
from aaot_eval.results import Analysis, Panel
from tests.builders import site_panel

OUTCOME = "admissions"
STARTS: list[int | None] = [14, 14, 20, None, None, None, None, None]
CLUSTERS = ["a", "a", "b", "c", "c", "d", "e", "e"]
# Two programs with the same formula, each solving its own equations.
SAME = 1e-7
# The same sums in another order.
EXACT = 1e-9


def panel_with(*, weight: bool = True, cluster: bool = True, seed: int = 4, n_t: int = 30) -> Panel:
    rng = np.random.default_rng(seed)
    counts = rng.poisson(80 * np.exp(rng.normal(0, 0.1, (8, n_t)))).astype(float)
    panel = site_panel({OUTCOME: counts}, STARTS)
    if cluster:
        panel = replace(panel, units=panel.units.assign(cluster=CLUSTERS))
    if weight:
        w = np.repeat(rng.integers(1, 4, 8), n_t).astype(float)
        panel = replace(panel, cells=panel.cells.assign(w=w), extra={**panel.extra, "weight": "w"})
    return panel


def data_of(panel: Panel) -> SiteData:
    return site_data(panel, OUTCOME)


def analysis(name: str) -> Analysis:
    return Analysis(name, "sites", name, OUTCOME)


def frame_of(data: SiteData) -> pd.DataFrame:
    n, n_t = data.values.shape
    return pd.DataFrame({"y": data.level().ravel(), "count": data.values.ravel(), "on": data.switch.ravel().astype(float),
                         "unit": np.repeat(np.arange(n), n_t), "t": np.tile(np.arange(n_t), n), "offset": np.log(data.exposure).ravel(),
                         "cluster": np.repeat(data.clusters, n_t), "w": np.ones(n * n_t) if data.weight is None else data.weight.ravel()})  # fmt: skip


class TestTwoWay:
    @pytest.mark.parametrize(("weight", "cluster"), [(True, True), (True, False), (False, True)])
    def test_another_program_says_the_same(self, weight: bool, cluster: bool) -> None:
        fixest = pytest.importorskip("pyfixest")
        data = data_of(panel_with(weight=weight, cluster=cluster))
        frame = frame_of(data)
        ours = linear_cr1(data, data.level())
        # Site effects are nested in the clusters; period effects count, as in fixest.
        theirs = fixest.feols("y ~ on | unit + t", frame, vcov={"CRV1": "cluster"}, weights="w", fixef_tol=1e-12)
        assert ours.estimate == pytest.approx(float(theirs.coef()["on"]), rel=SAME)
        assert ours.std_error == pytest.approx(float(theirs.se()["on"]), rel=1e-6)
        assert ours.df == data.n_clusters - 1

    @pytest.mark.parametrize("weight", [True, False])
    def test_poisson_scores_add_up_within_clusters(self, weight: bool) -> None:
        data = data_of(panel_with(weight=weight))
        frame = frame_of(data)
        columns = pd.get_dummies(frame[["unit", "t"]].astype(str), drop_first=True, dtype=float)
        x = np.column_stack([frame["on"], np.ones(len(frame)), columns])
        fit = sm.GLM(
            frame["count"], x, family=sm.families.Poisson(), offset=frame["offset"], freq_weights=frame["w"]
        ).fit(tol=1e-12)
        mu = fit.fittedvalues.to_numpy()
        bread = np.linalg.inv((x * (frame["w"].to_numpy() * mu)[:, None]).T @ x)
        scores = x * (frame["w"].to_numpy() * (frame["count"].to_numpy() - mu))[:, None]
        by = np.array([scores[data_rows].sum(axis=0) for data_rows in frame.groupby("cluster").indices.values()])
        error = math.sqrt((bread @ by.T @ by @ bread)[0, 0]) * cl.cr1_factor(
            data.n_clusters, len(frame), data.n_periods
        )
        ours = poisson_cr1(data)
        assert ours.estimate == pytest.approx(
            float(fit.params.iloc[0] if hasattr(fit.params, "iloc") else fit.params[0]), rel=SAME
        )
        assert ours.std_error == pytest.approx(error, rel=1e-6)

    def test_cr2_by_the_whole_matrices(self) -> None:
        data = data_of(panel_with())
        frame = frame_of(data)
        w = np.sqrt(frame["w"].to_numpy())
        columns = pd.get_dummies(frame[["unit", "t"]].astype(str), drop_first=True, dtype=float)
        z = np.column_stack([frame["on"], np.ones(len(frame)), columns]) * w[:, None]
        y = frame["y"].to_numpy() * w
        bread = np.linalg.inv(z.T @ z)
        residual = y - z @ (bread @ z.T @ y)
        hat = z @ bread @ z.T
        total, lines = 0.0, []
        for rows in frame.groupby("cluster").indices.values():
            values, vectors = np.linalg.eigh(np.eye(len(rows)) - hat[np.ix_(rows, rows)])
            keep = values > cl.EIGEN_FLOOR
            root = (vectors[:, keep] / np.sqrt(values[keep])) @ vectors[:, keep].T
            line = np.zeros(len(y))
            line[rows] = (bread @ z[rows].T @ root)[0]
            lines.append(line @ (np.eye(len(y)) - hat))
            total += float(line @ residual) ** 2
        p = np.array(lines) @ np.array(lines).T
        found = cl.cr2(data, data.level())
        assert found.std_error == pytest.approx(math.sqrt(total), rel=1e-6)
        assert found.df == pytest.approx(np.trace(p) ** 2 / (p**2).sum(), rel=1e-6)

    def test_wild_bootstrap_gives_one_sign_to_a_cluster(self) -> None:
        data = data_of(panel_with(weight=False, n_t=26))
        level, frame = data.level(), frame_of(data)
        columns = pd.get_dummies(frame[["unit", "t"]].astype(str), drop_first=True, dtype=float)
        null = np.column_stack([np.ones(len(frame)), columns])
        full = np.column_stack([frame["on"], null])
        y = frame["y"].to_numpy()
        fitted = null @ np.linalg.lstsq(null, y, rcond=None)[0]
        bread = np.linalg.inv(full.T @ full)
        groups = frame.groupby("cluster").indices.values()

        def t_of(values: np.ndarray) -> float:
            beta = bread @ full.T @ values
            scores = np.array([(bread @ full[r].T @ (values[r] - full[r] @ beta))[0] for r in groups])
            return abs(float(beta[0])) / math.sqrt(float((scores**2).sum()))

        real, hits = t_of(y), 0
        signs = list(product([1.0, -1.0], repeat=data.n_clusters))
        for sign in signs:
            hits += t_of(fitted + (y - fitted) * np.array(sign)[data.clusters].repeat(data.n_periods)) >= real - 1e-10
        assert cl.wild_bootstrap(data, level) == pytest.approx(hits / len(signs), abs=EXACT)

    def test_the_rows_say_what_was_done(self) -> None:
        rows = build_estimator("two_way", {}).fit(panel_with(), analysis("two_way"), seed=1)
        assert all("weighted by the panel's column of weights" in r.note for r in rows)
        assert all("clustered by 5 groups of sites" in r.note for r in rows)
        wild = next(r for r in rows if "wild" in r.inference)
        assert wild.status == "not_run"
        assert "without weights" in wild.note

    def test_six_treated_sites_in_two_clusters_are_few(self) -> None:
        starts: list[int | None] = [*[14] * 6, *[None] * 8]
        panel = site_panel({OUTCOME: np.random.default_rng(1).poisson(50, (14, 30)).astype(float)}, starts)
        wanted = replace(analysis("two_way"), primary=True)
        assert not build_estimator("two_way", {}).objections(panel, wanted)
        grouped = replace(panel, units=panel.units.assign(cluster=["a"] * 3 + ["b"] * 3 + list("cdefghij")))
        assert [p.code for p in build_estimator("two_way", {}).objections(grouped, wanted)] == ["E317"]


class TestGroupTime:
    def test_a_weight_is_so_many_sites_in_one_cluster(self) -> None:
        """Weight 2 is the same site twice within one cluster: the same effects and the same standard errors, all four means."""
        panel = panel_with(cluster=False)
        weight = panel.matrix("w")[:, 0].astype(int)
        rows = np.repeat(np.arange(8), weight)
        twice = site_panel({OUTCOME: panel.matrix(OUTCOME)[rows]}, [STARTS[r] for r in rows])
        twice = replace(twice, units=twice.units.assign(cluster=[f"c{r}" for r in rows]))
        for kind in ("simple", "dynamic", "group", "calendar"):
            options = {"scale": "difference", "aggregation": kind}
            ours = build_estimator("group_time", options).fit(panel, analysis("group_time"), seed=1)[0]
            theirs = build_estimator("group_time", options).fit(twice, analysis("group_time"), seed=1)[0]
            for fact in ("level_effect", "level_std_error", "observed_level"):
                assert ours.facts[fact] == pytest.approx(theirs.facts[fact], rel=EXACT)
            pd.testing.assert_frame_equal(ours.tables["group_time"][["att", "std_error", "observed"]],
                                          theirs.tables["group_time"][["att", "std_error", "observed"]], rtol=EXACT)  # fmt: skip

    def test_influences_add_up_within_clusters(self) -> None:
        plain = build_estimator("group_time", {"scale": "difference"}).fit(
            panel_with(weight=False, cluster=False), analysis("group_time"), seed=1
        )[0]
        grouped = build_estimator("group_time", {"scale": "difference"}).fit(
            panel_with(weight=False), analysis("group_time"), seed=1
        )[0]
        assert grouped.facts["level_effect"] == plain.facts["level_effect"]
        assert grouped.facts["level_std_error"] != plain.facts["level_std_error"]
        assert "clustered by 5 groups of sites" in grouped.note

    def test_event_study_has_both(self) -> None:
        row = build_estimator("event_study", {}).fit(panel_with(), analysis("event_study"), seed=1)[0]
        assert "weighted by each site's mean weight" in row.note


class TestRefusals:
    @pytest.mark.parametrize("name", ["two_way", "group_time", "event_study"])
    def test_a_weight_of_nought_or_none(self, name: str) -> None:
        panel = panel_with()
        cells = panel.cells.copy()
        cells.loc[[3, 9], "w"] = [0.0, np.nan]
        problems = build_estimator(name, {}).objections(replace(panel, cells=cells), analysis(name))
        assert [p.code for p in problems] == ["E345"]
        assert "2 site-periods have no weight above zero in 'w'" in problems[0].what

    @pytest.mark.parametrize("name", ["two_way", "group_time", "event_study"])
    def test_two_clusters_tell_no_error(self, name: str) -> None:
        panel = panel_with()
        panel = replace(panel, units=panel.units.assign(cluster=["a"] * 3 + ["b"] * 5))
        assert "E346" in [p.code for p in build_estimator(name, {}).objections(panel, analysis(name))]

    @pytest.mark.parametrize("name", ["group_time", "event_study"])
    def test_weights_with_covariates(self, name: str) -> None:
        panel = panel_with()
        panel = replace(panel, cells=panel.cells.assign(x=np.arange(len(panel.cells)) * 1.0))
        problems = build_estimator(name, {"covariates": ["x"]}).objections(panel, analysis(name))
        assert [p.code for p in problems] == ["E344"]

    def test_sun_abraham_is_made_without_weights(self) -> None:
        problems = build_estimator("event_study", {"method": "sun_abraham"}).objections(
            panel_with(), analysis("event_study")
        )
        assert [p.code for p in problems] == ["E342"]
