"""Our exact randomisation p beside pyfixest: its regression refitted for every assignment, and what its own `ritest` samples."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest

from aaot_eval.estimators.site_did import SiteDid
from aaot_eval.results import Panel, generator
from tests.agreement import agrees
from tests.methods.test_site_did import OUTCOME, analysis, few, few_rows  # noqa: F401

FEW = "did/hospital_few_treated"
#: Draws of `ritest`; its p, near 0.05, is then known to 0.015 (one standard error).
DRAWS = 200
#: Four standard errors of that.
BY_CHANCE = 0.06
# Two shares of the same 182 or 16,382 assignments.
EXACT = 1e-12
#: Coefficients of two programs that tie must count as ties in both.
TIE = 1e-9


def long_panel(panel: Panel) -> pd.DataFrame:
    """The log rate by hospital and month."""
    counts, exposure = panel.matrix(OUTCOME).astype(float), panel.matrix("exposure")
    n_u, n_t = counts.shape
    return pd.DataFrame({"y": np.log(counts / exposure).ravel(), "hospital": np.repeat(np.arange(n_u), n_t), "month": np.tile(np.arange(n_t), n_u)})  # fmt: skip


def test_reference_every_assignment_refitted_by_pyfixest(few: tuple[Panel, dict], few_rows: dict) -> None:  # noqa: F811
    fixest = pytest.importorskip("pyfixest")
    panel, _ = few
    frame = long_panel(panel)
    starts = panel.units.loc[panel.treated_units, "start_t"].astype(int).tolist()
    rows = list(panel.units.index)
    real = tuple(rows.index(u) for u in panel.treated_units)
    found = {}
    for drawn in itertools.permutations(range(len(rows)), len(starts)):
        start = frame["hospital"].map(dict(zip(drawn, starts, strict=True))).fillna(np.inf)
        frame["treated"] = (frame["month"] >= start).astype(float)
        found[drawn] = abs(float(fixest.feols("y ~ treated | hospital + month", frame, vcov="iid").coef()["treated"]))
    p = float(np.mean([v >= found[real] - TIE for v in found.values()]))
    assert len(found) == 182
    agrees(FEW, "randomisation p, coefficient, every assignment refitted by pyfixest", few_rows["coefficient"].p_value, p, abs=EXACT)  # fmt: skip


def test_reference_ritest_draws_another_experiment(few: tuple[Panel, dict]) -> None:  # noqa: F811
    """`ritest` draws each hospital's treatment anew, with replacement: any number of hospitals may be treated. Ours keeps the number."""
    fixest = pytest.importorskip("pyfixest")
    panel, _ = few
    start = panel.units["start_t"].where(panel.units["start_t"].isna(), 18)
    frame = long_panel(panel).pivot(index="hospital", columns="month", values="y").to_numpy()
    change = frame[:, 18:].mean(axis=1) - frame[:, :18].mean(axis=1)
    treated = start.notna().to_numpy().astype(float)
    every = np.array(list(itertools.product((0.0, 1.0), repeat=len(change))))
    some = every[(every.sum(axis=1) > 0) & (every.sum(axis=1) < len(change))]

    def contrast(d: np.ndarray) -> np.ndarray:
        return np.abs(d @ change / d.sum(axis=-1) - (1 - d) @ change / (1 - d).sum(axis=-1))

    any_number = float(np.mean(contrast(some) >= contrast(treated) - TIE))
    same_number = some[some.sum(axis=1) == treated.sum()]
    fixed = float(np.mean(contrast(same_number) >= contrast(treated) - TIE))

    together = type(panel)(**{**panel.__dict__, "units": panel.units.assign(start_t=start)})
    ours = SiteDid(conf_level=0.5).fit(together, analysis(), seed=1)
    coefficient = next(e for e in ours if "two-way coefficient" in e.inference)
    agrees(FEW, "randomisation p, coefficient, one common start, 91 assignments enumerated", coefficient.p_value, fixed, abs=EXACT)  # fmt: skip
    fit = fixest.feols("change ~ treated", pd.DataFrame({"change": change, "treated": treated}))
    sampled = fit.ritest("treated", reps=DRAWS, rng=generator(1, "ritest"), choose_algorithm="slow")
    agrees(FEW, "p of pyfixest's ritest, any number treated, 16,382 assignments enumerated", any_number, float(sampled["Pr(>|t|)"]), abs=BY_CHANCE,
           note="ritest draws with replacement, so the number treated is not kept; ours keeps it")  # fmt: skip
    assert not math.isclose(any_number, fixed, abs_tol=1e-3)
