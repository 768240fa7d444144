"""Evaluate Alcohol Assertive Outreach Treatment from routine hospital data.

>>> from aaot_eval import load_config, run_evaluation          # doctest: +SKIP
>>> result = run_evaluation(load_config("study.toml"))         # doctest: +SKIP
>>> result.estimates()                                         # doctest: +SKIP
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from aaot_eval.config import RunConfig, load_config
    from aaot_eval.pipeline import run_evaluation
    from aaot_eval.results import RunResult
    from aaot_eval.run_folder import read_run, write_run

__all__ = ["RunConfig", "RunResult", "__version__", "load_config", "read_run", "run_evaluation", "write_run"]

_HOME = {
    "RunConfig": "config",
    "load_config": "config",
    "run_evaluation": "pipeline",
    "RunResult": "results",
    "read_run": "run_folder",
    "write_run": "run_folder",
}


def __getattr__(name: str) -> Any:
    # Imported on first use: `aaot-eval --help` must not pay for pandas and scipy.
    if name in _HOME:
        return getattr(import_module(f"aaot_eval.{_HOME[name]}"), name)
    raise AttributeError(f"module 'aaot_eval' has no attribute {name!r}")
