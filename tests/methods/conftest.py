"""What several methods are tested on."""

from __future__ import annotations

import pytest

from aaot_eval.results import Panel
from tests.methods.patients import patients_mixed


@pytest.fixture(scope="session")
def mixed() -> Panel:
    """The people of the reference case `patients_mixed`; never written to."""
    return patients_mixed()
