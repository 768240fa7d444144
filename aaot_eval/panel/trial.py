"""Arms of a randomised trial in the people of the panel: everybody allocated, and who of them the service was meant for."""

from __future__ import annotations

import pandas as pd

from aaot_eval.config import RunConfig
from aaot_eval.errors import InputError, Problem

SERVICE, USUAL = "service", "usual care"


def with_arms(people: pd.DataFrame, arm: pd.Series, config: RunConfig) -> pd.DataFrame:
    """The people with `arm` (service, usual care or None) and `allocated_t`; only those of the service arm stay referred.

    Without a trial nothing is added, and a caseload with arms is refused (C226): its usual-care arm would count as treated.
    With one, everybody on the list needs one of the two arms of [trial] (C227), and both must occur (C228).
    """
    given = arm.astype("string").str.strip()
    given = given.mask(given == "")
    listed = people["referral_t"].notna()
    if config.study.design != "trial" or config.trial is None:
        if given.notna().any():
            raise InputError(
                Problem("C226", "the caseload has arms, and the study is not declared as a trial", where="data.caseload, column arm",
                        allowed='[study] design = "trial" with [trial]',
                        do="declare the trial, or take the column and the people of the other arm out")
            )  # fmt: skip
        return people
    trial = config.trial
    known = given.str.casefold().map({trial.service.casefold(): SERVICE, trial.usual_care.casefold(): USUAL})
    problems = []
    unknown = bool((listed & known.isna()).any())
    if unknown:
        problems.append(
            Problem("C227", "some people on the list have no arm that [trial] names",
                    where="data.caseload, column arm", allowed=f"{trial.service}, {trial.usual_care}",
                    do="write the arm everybody was allocated to, also of those who never started")
        )  # fmt: skip
    missing = [name for name in (SERVICE, USUAL) if not (known[listed] == name).any()]
    if missing and not unknown:
        problems.append(
            Problem("C228", f"nobody was allocated to the arm {' and '.join(missing)}", where="data.caseload, column arm",
                    do="give everybody who was allocated, both arms: without the other arm nothing was randomised")
        )  # fmt: skip
    if problems:
        raise InputError(*problems)
    service = (known == SERVICE).fillna(False)
    return people.assign(
        arm=known.astype(object).where(known.notna(), None), allocated_t=people["referral_t"], referral_t=people["referral_t"].where(service)
    )  # fmt: skip
