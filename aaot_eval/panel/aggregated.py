"""An already aggregated table of units and periods, read as it stands."""

from __future__ import annotations

from aaot_eval.config import RunConfig
from aaot_eval.results import Panel


def read_panel(config: RunConfig) -> Panel:
    """..."""
    raise NotImplementedError
