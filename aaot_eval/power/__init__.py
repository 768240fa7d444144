"""What a study can show, worked out before anything after the start is looked at.

Every number comes from the periods before the first start: their level, spread and memory. Series: months and counts
needed for a fall; sites: least reachable p and power; people: precision for the number referred. Method and limits:
docs/methods/power.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from aaot_eval.config import RunConfig, parse_entry_rule
from aaot_eval.errors import InputError, NotIdentifiedError, Problem, UsageError, counted
from aaot_eval.power._before import Asked, first_start, periods_before
from aaot_eval.power._people import people_rows
from aaot_eval.power._series import series_rows
from aaot_eval.power._sites import least_reachable_p as least_reachable_p
from aaot_eval.power._sites import site_rows
from aaot_eval.results import Panel

LEAST_BEFORE = 12
COLUMNS = (
    "part",
    "what",
    "months_after",
    "monthly_mean",
    "treated",
    "units",
    "people",
    "fall",
    "p_least",
    "power",
    "half_width",
)
Notify = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """`table`: one row a design, columns `COLUMNS`, empty where it does not apply. `sentences`: the answers in words."""

    table: pd.DataFrame
    sentences: tuple[str, ...]
    facts: dict[str, Any] = field(default_factory=dict)


def plan_study(
    panel: Panel, config: RunConfig, *, fall: float, replicates: int, referred: int | None = None,
    notify: Notify = lambda _: None,
) -> Plan:  # fmt: skip
    """Power and precision of the study's designs for a relative `fall` (0.23 = 23 % fewer), with `replicates` simulations.

    `referred` is the number of people to judge the precision for; by default those on the caseload so far, by date of
    referral alone. Raises UsageError (C200 to C202) and NotIdentifiedError (C203 to C205) with every problem at once.
    """
    refuse_settings(fall, replicates, referred)
    outcome = config.study.outcome
    _refuse_panel(panel, outcome)
    start = first_start(panel)
    past = periods_before(panel, start)
    _refuse_past(panel, past, outcome)
    asked = Asked(
        outcome, fall, replicates, config.seed, 1 - config.study.conf_level, config.study.follow_up_months,
        parse_entry_rule(config.study.entry_rule or ""), referred,
    )  # fmt: skip
    notify("Series: simulating months and counts")
    rows, sentences, facts = series_rows(panel, past, asked)
    if len(panel.units) > 2 and panel.comparison_units:
        notify("Sites: simulating assignments")
        more, words, found = site_rows(panel, past, asked)
        rows, sentences, facts = [*rows, *more], [*sentences, *words], facts | found
    else:
        sentences.append("Sites: not judged, because no site in the data goes without the service.")
    notify("People: drawing from those who met the entry rule before the start")
    more, words, found = people_rows(panel, past, asked)
    table = pd.DataFrame([*rows, *more]).reindex(columns=list(COLUMNS))
    label = str(panel.periods["label"].iloc[start - 1])
    return Plan(table, (*sentences, *words), {"last_period_read": label, "replicates": replicates} | facts | found)


def refuse_settings(fall: float, replicates: int, referred: int | None) -> None:
    """UsageError for numbers of the command line that nothing can be worked out with; no data are needed to say so."""
    problems = []
    if not 0.01 <= fall <= 0.9:
        problems.append(
            Problem(
                "C200", f"a fall of {fall:g}", allowed="0.01 to 0.9, as a share: 0.23 is 23 % fewer", do="mend --fall"
            )
        )
    if not 50 <= replicates <= 100_000:
        problems.append(
            Problem("C201", counted(replicates, "replicate"), allowed="50 to 100000", do="mend --replicates")
        )
    if referred is not None and referred < 2:
        problems.append(
            Problem(
                "C202", f"{counted(referred, 'person', 'people')} referred", allowed="2 or more", do="mend --referred"
            )
        )
    if problems:
        raise UsageError(*problems)


def _refuse_panel(panel: Panel, outcome: str) -> None:
    known = {o.name: o.kind for o in panel.outcomes if o.name in panel.cells}
    if outcome not in known:
        raise InputError(
            Problem(
                "C120",
                f"there is no outcome {outcome!r} in these data",
                allowed=", ".join(known),
                do="choose one of them",
            )
        )
    problems = []
    if known[outcome] != "count":
        problems.append(
            Problem("C203", f"the outcome {outcome!r} is not a count, and power is worked out for counts",
                    allowed=", ".join(n for n, k in known.items() if k == "count") or "none in these data", do="choose a count")
        )  # fmt: skip
    if not panel.treated_units:
        problems.append(
            Problem("C204", "no unit starts the service inside the data, so it is not known what lies before the start",
                    do="give the start of at least one unit; a planned start may be the period after the last")
        )  # fmt: skip
    if problems:
        raise NotIdentifiedError(*problems)


def _refuse_past(panel: Panel, past: Panel, outcome: str) -> None:
    used = past.cells[past.cells["unit"].isin(panel.treated_units)]
    periods = used.loc[used[outcome].notna(), "t"].nunique()
    if periods < LEAST_BEFORE or not used[outcome].sum() > 0:
        why = (
            f"{counted(periods, 'period')} before the first start"
            if periods < LEAST_BEFORE
            else "no event before the first start"
        )
        raise NotIdentifiedError(
            Problem("C205", f"{why}: level, spread and memory cannot be read from them",
                    allowed=f"at least {LEAST_BEFORE} periods with events", do="extend the data backwards")
        )  # fmt: skip
