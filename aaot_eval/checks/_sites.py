"""What the checks over sites share: the table of sites of the analysis, and the verdict of a randomisation p value."""

from __future__ import annotations

from typing import Any, cast

from aaot_eval.checks import FAIL_P, WARN_P
from aaot_eval.estimators import Estimator
from aaot_eval.estimators._sites import SiteData, site_data, site_objections
from aaot_eval.results import Analysis, CheckResult, CheckVerdict, Panel

THRESHOLD = f"p below {FAIL_P:g} fails, below {WARN_P:g} warns"


def sites_of(estimator: Estimator, panel: Panel, analysis: Analysis) -> SiteData | str:
    """The table of sites that the estimator's own settings give, or why there is none."""
    defaults: dict[str, Any] = {"phase_in": 0, "least_before": None, "least_after": 3, "scale": "auto"}
    settings = {name: getattr(estimator, name, default) for name, default in defaults.items()}
    problems = site_objections(panel, analysis.outcome, **settings)
    return problems[0].what if problems else site_data(panel, analysis.outcome, **settings)


def verdict_of(p: float) -> CheckVerdict:
    """Fail below 0.01, warn below 0.05, else pass."""
    return "fail" if p < FAIL_P else "warn" if p < WARN_P else "pass"


def lean(estimator: Estimator) -> Estimator:
    """The same estimator with its headline alone, where it has such a form, for checks that fit it again and read nothing else."""
    quick = getattr(estimator, "quick", None)
    return cast(Estimator, quick()) if quick else estimator


def shown(value: float, *, ratio: bool) -> str:
    """An estimate in a sentence: a ratio with two decimals, a difference with three figures."""
    return f"{value:.2f}" if ratio else f"{value:.3g}"


def cannot(check: str, analysis: Analysis, why: str) -> CheckResult:
    """The check could not be made, and why."""
    return CheckResult(check, analysis.name, "not_evaluable", f"Not evaluable: {why}.")
