"""Where a run cannot say something it names, in plain words, what to add for it and never what the study does not have."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from aaot_eval.config import RunConfig, load_config
from aaot_eval.console import findings_table
from aaot_eval.errors import InputError
from aaot_eval.findings import Finding
from aaot_eval.pipeline import _left_out_stages
from aaot_eval.wording import effect_verdict, headline_table
from tests.costs_builders import caseload_panel
from tests.spec.test_wording import CONFIG, PANEL, effect

pytestmark = pytest.mark.spec


def advice(*findings: Finding) -> str:
    given = effect(0.7, 1.3)
    return str(headline_table(given, effect_verdict(given, PANEL, CONFIG), None, findings)["sentence"].iloc[-1])


def test_more_people_are_advised_only_where_there_is_a_caseload() -> None:
    assert "more people on the caseload" in advice()
    assert "more people on the caseload" in advice(Finding("D319", "costs"))
    for absent in (Finding("D319", "caseload"), Finding("D318", "patients and costs")):
        assert "More sites or more months would narrow it." in advice(absent)


def test_a_part_left_out_is_named_by_the_key_that_adds_it() -> None:
    config = RunConfig.model_validate({"config_version": 1, "name": "bare", "data": {"admissions": "none.csv"}})
    details = {f.where: f.detail for f in _left_out_stages(config, caseload_panel(), ())}
    assert details == {
        "costs": "[costs] is not in the config",
        "caseload": "[data] caseload is not in the config",
        "sites": "[data] sites is not in the config",
        "entry-rule comparison": "[study] entry_rule is not in the config",
    }


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('price_year = "2024-25"', "write 2024/25"),
        ('price_year = "2024/2025"', "write 2024/25"),
        ('price_year = "last"', "mend the value"),
        ('price_year = "2024/25"\nbudget = { fill = [60, 100] }', "shares go from 0 to 1: write 0.6"),
    ],
)
def test_a_year_and_a_share_in_another_form_are_told_in_ours(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "study.toml"
    text = f"""config_version = 1
name = "a"
[data]
admissions = "x.csv"
[costs]
unit_costs = "u.csv"
programme = "p.csv"
perspective = "provider"
{line}
"""
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_config(path)
    assert said in [p.do for p in caught.value.problems]


def test_how_one_off_keys_begin_is_asked_for_in_words(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_text(
        'config_version = 1\nname = "a"\n[data]\nadmissions = "x.csv"\none_off_keys = ["ONE%"]\n', encoding="utf-8"
    )
    with pytest.raises(InputError) as caught:
        load_config(path)
    (problem,) = caught.value.problems
    assert problem.allowed.startswith("the first letters or digits of such keys as they stand")


def test_the_terminal_names_the_months_that_changed_since_the_last_run() -> None:
    console = Console(width=100)
    with console.capture() as shown:
        console.print(findings_table([Finding("D389", "old", detail="12 months of 2 sites; changed: 2023-04")], [""]))
    assert "12 months of 2 sites; changed: 2023-04" in shown.get()
