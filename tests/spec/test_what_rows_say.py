"""Rows that can be told apart, the words of a null, and messages that are said once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

from aaot_eval.cli._config_topics import config_topics
from aaot_eval.config import load_config
from aaot_eval.errors import InputError
from aaot_eval.report import build_report, render_markdown
from aaot_eval.report.contents import Source
from aaot_eval.report.sections._series_ways import in_short
from aaot_eval.report.sections.answer import _linked, _window
from aaot_eval.report.sections.limits import _named
from aaot_eval.results import Estimate
from aaot_eval.synthetic.study import LONGEST_NAME, Study
from aaot_eval.synthetic.study_folder import _switched_on
from aaot_eval.wording import OWN_PAST, _least_p
from tests.methods.test_its import fit, noisy, one_site
from tests.report_fixture import release

CONFIG = """\
config_version = 1
name = "one"
[data]
panel = "one.csv"
[panel]
outcomes = { admissions = "count" }
[study]
outcome = "admissions"
"""


def words_of(text: Any) -> str:
    """A text of the report without its addresses."""
    return "".join(part if isinstance(part, str) else part.text for part in text)


class TestRows:
    def test_an_estimand_is_said_without_what_all_rows_share(self) -> None:
        said = [
            in_short("effect, dynamic, -24 periods since the start"),
            in_short("effect, cohort 2019Q1, period 2016Q2"),
            in_short("ratio of the treated to their expected level, mean over periods since the start"),
        ]
        assert said == [
            "Dynamic, -24 periods since the start", "Cohort 2019Q1, period 2016Q2", "Ratio, mean over periods since the start",
        ]  # fmt: skip

    def test_every_table_of_estimates_says_what_its_rows_are(self) -> None:
        text = render_markdown(build_report(release()))
        assert "| What it estimates |" in text.split("### All estimates")[1]


class TestDeclaredTerms:
    def test_each_declared_term_is_a_secondary_row(self) -> None:
        panel = one_site(noisy(96, 60, 0.8), 60, first="2010-04")
        found = fit(panel, slope=True, interruptions=("2012-04", "2013-10"), sensitivity=True)
        terms = {e.analysis: e for e in found if e.note.startswith("declared term: ")}
        head = found[0]
        assert set(terms) == {f"{head.analysis}_{name}" for name in ("slope", "from_2012_04", "from_2013_10")}
        for name, e in terms.items():
            key = name.removeprefix(f"{head.analysis}_").replace("2012_04", "2012-04").replace("2013_10", "2013-10")
            assert e.estimate == pytest.approx(head.facts[key])
            assert (e.conf_low, e.conf_high) == pytest.approx((head.facts[f"{key}_low"], head.facts[f"{key}_high"]))
            assert e.conf_low < e.estimate < e.conf_high
        assert "from 2012-04, declared as a further interruption" in terms[f"{head.analysis}_from_2012_04"].estimand

    def test_a_series_without_declared_terms_has_none(self) -> None:
        found = fit(one_site(noisy(60, 30, 0.8), 30, first="2010-04"), sensitivity=True)
        assert not [e for e in found if e.note.startswith("declared term: ")]


def source(tables: dict[str, pd.DataFrame], **meta: Any) -> Source:
    """A source that holds only these tables."""
    return Source(replace(release(), tables=tables, meta=meta))


class TestFirstPage:
    def linked(self, rows: int, low: float, high: float) -> str:
        frame = pd.DataFrame(
            {
                "order": range(rows), "whom": [f"group {k}" for k in range(rows)], "ratio": 0.9, "conf_low": low,
                "conf_high": high, "change": 0.1, "direction": "lower" if high < 1 else "unclear", "uptake": [np.nan] * (rows - 1) + [0.4],
            }
        )  # fmt: skip
        ((_, text),) = _linked(source({"linked_effects": frame}))
        return words_of(text)

    def test_a_null_is_its_interval_in_per_cent(self) -> None:
        said = self.linked(3, 0.7, 1.2)
        assert said.startswith("From 30 % lower to 20 % higher over group 0")
        assert "The last two are one result" in said

    def test_a_fall_of_two_groups_is_said_of_these_two(self) -> None:
        said = self.linked(2, 0.8, 0.95)
        assert said.startswith("Lower by 10 %")
        assert "These two are one result" in said

    def test_the_window_has_its_own_answer_where_the_first_is_the_jump(self) -> None:
        averted = pd.DataFrame(
            [{"analysis": "its", "unit": "North", "quantity": "averted", "first_period": "2022-01", "last_period": "2023-12",
              "periods": 24, "value": 513.0, "value_low": 295.0, "value_high": 754.0, "interval": "prediction"}]
        )  # fmt: skip
        estimates = pd.DataFrame({"primary": [True], "estimand": ["jump in level at the first period of admissions"]})
        primary = {"analysis": "its", "design": "series"}
        ((name, text),) = _window(source({"averted": averted, "estimates": estimates}, primary=primary))
        assert name == "Whole window"
        assert words_of(text).startswith(
            "Admissions against what was expected, January 2022 to December 2023: 513 fewer (295 fewer to 754 fewer)."
        )
        plain = estimates.assign(estimand="change in level of admissions")
        assert not _window(source({"averted": averted, "estimates": plain}, primary=primary))

    @pytest.mark.parametrize(
        ("design", "kind", "said"),
        [
            ("sites", "quarter", "from the comparison sites"),
            ("series", "quarter", "from the quarters before"),
            ("series", "month", "from the months before"),
            ("controlled_series", "month", "from the control series"),
        ],
    )
    def test_what_is_expected_from_fits_the_design_and_the_period(self, design: str, kind: str, said: str) -> None:
        assert source({}, engine="panel file", primary={"design": design}, period_kind=kind).without == said

    def test_one_unit_has_one_past(self) -> None:
        assert OWN_PAST[True].startswith("the unit's own past")

    def test_drawn_assignments_are_said_to_be_drawn(self) -> None:
        drawn = SimpleNamespace(drawn=10_000, p_least=0.0001)
        assert (
            _least_p(cast("Estimate", drawn)) == "The 10,000 assignments drawn at random can give no p below 0.0001. "
        )
        every = SimpleNamespace(drawn=None, conf_method="randomisation", p_least=1 / 120, n_treated=3, n_units=10)
        assert _least_p(cast("Estimate", every)) == "With 3 of 10 sites treated, no p below 0.0083 is possible. "


def test_checks_with_the_same_words_are_each_named_once() -> None:
    checks = pd.DataFrame(
        {
            "analysis": "cs",
            "check": ["moved_care", "site_deaths"],
            "verdict": "not_evaluable",
            "sentence": "Not evaluable: nobody.",
        }
    )
    found = source({"checks": checks}, primary={"analysis": "cs"})
    assert [_named(found, "Not evaluable: nobody.", k).split(":")[0] for k in range(2)] == ["Moved care", "Site deaths"]


class TestConfig:
    def test_a_list_of_periods_is_called_one(self) -> None:
        full, _ = config_topics(lambda text: text)
        for key in ("interruptions", "left_out", "window"):
            assert 'a list of periods, such as ["2018-04", "2020-04"]' in full[f"config.study.{key}"]
        assert "list of table" not in full["config.study"]

    @pytest.mark.parametrize("value", ['"2018-04"', '[["2018-04"], [1.5], {}]'])
    def test_a_wrong_list_of_periods_is_one_problem(self, tmp_path: Path, value: str) -> None:
        path = tmp_path / "one.toml"
        path.write_text(f"{CONFIG}interruptions = {value}\n", encoding="utf-8")
        with pytest.raises(InputError) as refused:
            load_config(path)
        (problem,) = refused.value.problems
        assert problem.what == 'study.interruptions: is not a list of periods, such as ["2018-04", "2020-04"]'


class TestSimulated:
    def study(self, switched_on: str, *worlds: str) -> Study:
        scenario = SimpleNamespace(name="null", switched_on=switched_on)
        fooled_by = tuple(SimpleNamespace(name=w, switched_on=f"{w} is on") for w in worlds)
        return cast("Study", SimpleNamespace(scenario=scenario, fooled_by=fooled_by, seed=11, parts=("null", *worlds)))

    def test_the_name_says_the_worlds(self) -> None:
        named = cast("property", Study.named).fget
        assert named is not None
        assert named(self.study("nothing")) == "simulated_null_11"
        assert named(self.study("nothing", "peak", "merger")) == "simulated_null_peak_merger_11"
        many = named(self.study("nothing", *(f"displaced_{k}" for k in range(9))))
        assert many == "simulated_null_9_worlds_11"
        assert len(many) <= LONGEST_NAME

    def test_what_is_switched_on_reads_as_a_sentence(self) -> None:
        assert _switched_on(self.study("nothing")) == "Nothing is switched on."
        assert _switched_on(self.study("nothing", "peak")) == (
            "The service itself changes nothing. Switched on, and nothing else: peak is on."
        )
