"""The series in every form: window, ramp, further bends, at least eight other ways on every kind of series."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from aaot_eval.config import load_config
from aaot_eval.estimators.its import InterruptedTimeSeries
from aaot_eval.pipeline import run_evaluation
from aaot_eval.results import RunResult, generator
from tests.methods.test_its import ANALYSIS, days, fit, noisy, one_site

LEAST_WAYS = 8
EXACT = 1e-8


class TestTotals:
    def test_window_is_what_is_counted(self) -> None:
        d = days("2010-04", 48)
        panel = one_site(np.where(np.arange(48) < 24, 10 * d, 8 * d), 24, first="2010-04")
        (found,) = fit(panel, window=("2012-10", "2013-03"), sensitivity=True)[:1]
        table = found.tables["averted"].set_index("quantity")
        averted = table.loc["averted"]
        assert list(averted[["first_period", "last_period", "periods"]]) == ["2012-10", "2013-03", 6]
        assert averted["value"] == pytest.approx(2 * d[30:36].sum(), rel=EXACT)
        assert table.loc["per_period", "value"] == pytest.approx(2 * d[30:36].sum() / 6, rel=EXACT)
        assert table.loc["ratio", "value"] == pytest.approx(0.8, rel=EXACT)
        assert table.loc["modelled", "value"] == pytest.approx(averted["value"], rel=EXACT)

    def test_each_interval_stands_on_its_own_number(self) -> None:
        (found,) = fit(one_site(noisy(60, 30, 0.8), 30, first="2010-04"), sensitivity=True)[:1]
        table = found.tables["averted"]
        assert (table["value_low"] < table["value"]).all()
        assert (table["value"] < table["value_high"]).all()
        wide = table.set_index("quantity")
        width = wide["value_high"] - wide["value_low"]
        assert width["averted"] > width["observed"]  # a prediction is never as sure as a mean
        assert set(wide.loc[["averted", "per_period"], "interval"]) == {"prediction"}
        running = table[table["quantity"] == "cumulative"]
        assert list(running["periods"]) == [12, 24]

    def test_a_window_that_ends_before_it_begins_is_refused(self) -> None:
        estimator = InterruptedTimeSeries(window=("2013-03", "2012-10"))
        (problem,) = estimator.objections(one_site(noisy(48, 24, 0.8), 24, first="2010-04"), ANALYSIS)
        assert problem.code == "E415"
        assert "ends (2012-10) before it begins (2013-03)" in problem.what

    def test_a_window_that_is_none_is_refused(self) -> None:
        estimator = InterruptedTimeSeries(window=("2010-04", "2031-01"))
        (problem,) = estimator.objections(one_site(noisy(48, 24, 0.8), 24, first="2010-04"), ANALYSIS)
        assert problem.code == "E415"

    def test_monitoring_has_values_and_no_interval(self) -> None:
        found = fit(one_site(noisy(40, 36, 0.8), 36, first="2010-04"), sensitivity=True)[0]
        assert found.status == "monitoring_only"
        assert found.tables["averted"]["value"].notna().all()
        assert found.tables["averted"]["value_low"].isna().all()


class TestShapes:
    def test_a_ramp_is_found_where_there_is_one(self) -> None:
        d, t = days("2010-04", 60), np.arange(60)
        step = np.clip((t - 30 + 1) / 4, 0, 1)
        counts = np.round(1000 * d * 0.8**step)
        (found,) = fit(one_site(counts, 30, first="2010-04"), phase_in=3, ramp=True)
        assert found.estimate == pytest.approx(0.8, rel=1e-3)
        (blunt,) = fit(one_site(counts, 30, first="2010-04"))
        assert blunt.estimate > 0.805

    def test_two_bends(self) -> None:
        t = np.arange(60)
        log = 0.12 * np.clip(t - 20, 0, None) / 12 - 0.3 * (t >= 40) - 0.24 * np.clip(t - 40, 0, None) / 12
        counts = np.round(1e5 * days("2010-04", 60) * np.exp(log))
        panel = one_site(counts, 40, first="2010-04")
        (found,) = fit(panel, slope=True, bends=True, interruptions=("2011-12",))
        assert found.estimate == pytest.approx(np.exp(-0.3), rel=1e-4)
        assert found.facts["slope"] == pytest.approx(np.exp(-0.24), rel=1e-3)
        assert found.facts["slope_from_2011-12"] == pytest.approx(np.exp(0.12), rel=1e-3)

    def test_fewer_than_twelve_points_a_side_keep_a_pair_of_season_terms_and_say_so(self) -> None:
        (found,) = fit(one_site(noisy(20, 10, 0.7), 10, first="2010-04"))
        assert found.facts["harmonics"] == 1
        assert "a first indication" in found.note


class TestWays:
    """At least eight other ways beside every kind of series."""

    def run(self, folder: Path, frame: pd.DataFrame, frequency: str, kind: str, study: str) -> RunResult:
        frame.to_csv(folder / "panel.csv", index=False)
        (folder / "case.toml").write_text(
            f'config_version = 1\nname = "case"\n[data]\npanel = "panel.csv"\n[panel]\nperiod = "period"\n'
            f'frequency = "{frequency}"\noutcomes = {{ y = "{kind}" }}\n[study]\noutcome = "y"\n{study}\n'
            '[disclosure]\nprofile = "none"\n', encoding="utf-8", newline="\n",
        )  # fmt: skip
        return run_evaluation(load_config(folder / "case.toml"))

    @pytest.mark.parametrize(
        ("frequency", "first", "n", "kind", "more"),
        [
            ("month", "2010-04", 48, "count", ""),
            ("month", "2010-04", 20, "count", ""),
            ("month", "2010-04", 48, "count", 'interruptions = ["2011-05"]'),
            ("month", "2010-04", 48, "count", "phase_in = 3"),
            ("month", "2010-04", 48, "count", "phase_in = 3\nphase_in_ramp = true"),
            ("month", "2010-04", 48, "count", "slope = true"),
            ("quarter", "2010Q2", 28, "share", ""),
            ("year", "1980", 26, "continuous", ""),
            ("integer", "1", 26, "count", ""),
        ],
    )
    def test_at_least_eight(self, tmp_path: Path, frequency: str, first: str, n: int, kind: str, more: str) -> None:
        y: Any = generator(4, "ways", n, kind).poisson(100, n).astype(float)
        if kind != "count":
            y = y / 250
        labels = [str(int(first) + i) for i in range(n)] if frequency in ("year", "integer") else [
            str(p) for p in pd.period_range(first, periods=n, freq=frequency[0].upper())
        ]  # fmt: skip
        start = labels[n // 2]
        found = self.run(
            tmp_path, pd.DataFrame({"period": labels, "y": y}), frequency, kind, f'service_start = "{start}"\n{more}'
        )
        table = found.tables["sensitivity"]
        table = table[table["analysis"] == "its"]
        assert table["note"].iloc[0].startswith("the headline")
        assert table["estimate"].iloc[1:].notna().sum() >= LEAST_WAYS
        assert table.loc[table["estimate"].isna(), "note"].str.len().gt(0).all()
        assert set(found.tables["averted"]["interval"]) <= {"parameters", "prediction"}
