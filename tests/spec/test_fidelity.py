"""Fidelity: six components, three levels, and what is not stated left open."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from aaot_eval.config import FidelityConfig, RunConfig
from aaot_eval.config.study import COMPONENTS
from aaot_eval.design import refuse_unknown_teams
from aaot_eval.errors import InputError
from aaot_eval.pipeline import run_evaluation
from tests.builders import site_panel

ALL = list(COMPONENTS)


@pytest.mark.parametrize(
    ("met", "not_met", "level"),
    [
        (6, 0, "high"), (5, 1, "high"), (5, 0, "high"), (4, 2, "mid"), (3, 3, "mid"), (2, 4, "low"), (0, 6, "low"),
        (4, 1, "mid to high"), (2, 3, "low to mid"), (0, 0, "low to high"),
    ],
)  # fmt: skip
def test_level_by_components_met(met, not_met, level):
    team = FidelityConfig(site="A", met=ALL[:met], not_met=ALL[met : met + not_met], source="own view, 2026")
    assert team.level == level
    assert len(team.not_stated) == 6 - met - not_met


def test_a_component_named_twice_and_an_unknown_one_are_refused():
    with pytest.raises(ValidationError, match="names a component twice: weekly_contact"):
        FidelityConfig(site="A", met=["weekly_contact"], not_met=["weekly_contact"], source="own view")
    with pytest.raises(ValidationError, match="small_caseload"):
        FidelityConfig(site="A", met=["small_case_load"], source="own view")


def config(*sites: str) -> RunConfig:
    return RunConfig.model_validate(
        {
            "config_version": 1,
            "name": "teams",
            "data": {"panel": "panel.csv"},
            "fidelity": [{"site": s, "met": ALL[:5], "not_met": ALL[5:], "source": "survey"} for s in sites],
        }
    )


def test_a_team_at_a_site_without_a_service_is_refused_in_words():
    panel = site_panel({"y": np.full((3, 24), 9.0)}, [12, 14, None])
    known = panel.treated_units
    refuse_unknown_teams(panel, config(*known))
    with pytest.raises(InputError, match="describes a team at 'Nowhere', where no service starts"):
        refuse_unknown_teams(panel, config("Nowhere", *known))


def test_the_record_shows_the_level_beside_the_effect_of_the_site(tmp_path, root):
    import tomllib

    from aaot_eval.config import load_config

    document = (root / "configs" / "nhs_ae_placebo.toml").read_text("utf-8")
    unit = tomllib.loads(document)
    base = load_config(root / "configs" / "nhs_ae_placebo.toml")
    site = run_evaluation(base).panel.treated_units[0]
    study = base.changed(fidelity=[{"site": site, "met": ALL[:4], "not_met": ALL[4:], "source": "survey of 2026"}])
    table = run_evaluation(study).tables["fidelity"]
    assert unit["name"] == base.name
    assert table["level"].tolist() == ["mid"]
    assert table["n_met"].tolist() == [4]
    assert table["estimate"].between(0.9, 1.05).all()
    assert (table["conf_low"] < table["estimate"]).all()
