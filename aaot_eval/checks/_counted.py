"""The panel of an analysis with another quantity counted at its sites, so that the same design can be put to it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from aaot_eval.estimators._cohorts import Floats, PersonMonths
from aaot_eval.results import OutcomeSpec, Panel


def by_home(panel: Panel, people: PersonMonths, values: Floats) -> Floats:
    """Sums of people x periods over the people of each unit: units x periods, in the order of `panel.units`."""
    sums = np.zeros((len(panel.units), len(panel.periods)))
    np.add.at(sums, panel.units.index.get_indexer(pd.Index(people.names))[people.unit], values)
    return sums


def counting(panel: Panel, spec: OutcomeSpec, counts: Floats) -> Panel:
    """The panel with `counts` (units x periods) as the outcome `spec`; a missing cell stays missing."""
    cells = panel.cells.copy()
    cells[spec.name] = np.where(cells["missing"], np.nan, counts.reshape(-1))
    others = tuple(o for o in panel.outcomes if o.name != spec.name)
    return replace(panel, cells=cells, outcomes=(*others, spec))


def averted(panel: Panel, outcome: str, ratio: float) -> float:
    """Events that did not happen in the treated cells, if `ratio` is the effect there: observed x (1 / ratio - 1)."""
    after = panel.cells["treated"].to_numpy(dtype=bool)
    return float(np.nansum(panel.cells[outcome].to_numpy(dtype=float)[after])) * (1 / ratio - 1)
