"""Made-up studies with a known answer, in the layout of real hospital extracts."""

from __future__ import annotations

from aaot_eval.synthetic.scenarios import SCENARIOS, Scenario
from aaot_eval.synthetic.study import Study, draw_study
from aaot_eval.synthetic.study_folder import simulate_study
from aaot_eval.synthetic.worlds import WORLDS, World

__all__ = ["SCENARIOS", "WORLDS", "Scenario", "Study", "World", "draw_study", "simulate_study"]
