"""The months that are used: the first and the last complete one of the data, cut to what the config asks for."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd

from aaot_eval.config import RunConfig
from aaot_eval.engine import Engine
from aaot_eval.errors import InputError, Problem, counted
from aaot_eval.findings import Finding
from aaot_eval.newest_months import sent_in_part

# Nobody admitted anywhere for a year: what lies beyond has a wrong year in its date.
EMPTY_MONTHS = 12
# A month at either end with less than this share of the usual admissions holds strays: a pandemic or a closed site leaves far more.
STRAY_SHARE = 0.1


def usable_months(engine: Engine, config: RunConfig) -> tuple[pd.Period, pd.Period, list[Finding]]:
    """The first and the last complete month by date of admission, and what was left out at the end.

    Episodes are filed by their end, so the first complete month is that of the first end. The last is that of
    `complete_to`, else the last month at whose end there still are admissions. Raises InputError without a whole month.
    """
    first_end, last_admission, last_end = _extent(engine, config)
    # A month is whole when something still happens in its last days; a shorter silence than this is chance.
    silent = int(config.quality.limit("D309"))
    first = pd.Period(first_end, "M") + (0 if first_end.day <= 1 + silent else 1)
    last = pd.Period(last_admission, "M")
    if config.data.extracted and last > pd.Period(config.data.extracted, "M"):
        raise InputError(
            Problem(
                "D320",
                f"extracted is {config.data.extracted}, but the last admission is in {last}",
                where="data.extracted",
                do="give the day on which these files were made",
            )
        )
    if config.data.complete_to:
        complete = _last_whole(config.data.complete_to)
        if complete > last:
            raise InputError(
                Problem(
                    "D320",
                    f"complete_to is {config.data.complete_to}, but the last admission is in {last}",
                    where="data.complete_to",
                    do="give the last day on which the extract is complete",
                )
            )
        last = complete
    elif min(last_admission, last_end) < last.end_time.date() - timedelta(days=silent):
        last -= 1
    newest = _mature(config, last)
    last = _before_months_in_part(engine, config, newest)
    if config.study.first_period is not None:
        first = pd.Period(first_end, "M")
    if last < first:
        raise InputError(_no_month(config, first))
    first, last = _cut(config, first, last)
    late = engine.rows(
        f"SELECT count(*), count(DISTINCT person) FROM episodes WHERE admission_date > DATE '{last.end_time.date()}'"
    )[0]
    findings = []
    if late[0] and config.study.last_period is None:
        findings.append(
            Finding(
                "D309",
                where=f"after {last}",
                records=late[0],
                people=late[1],
                detail=f"the last complete month is {last}" + _why_last(config, last, newest),
            )
        )
    return first, last, findings + _flex_months(config, first, last)


def months_chosen(config: RunConfig) -> tuple[bool, bool]:
    """Whether the study itself says at which month it begins, and at which it ends."""
    data, study = config.data, config.study
    ends = (
        study.last_period,
        data.complete_to,
        data.maturity_days,
        data.frozen_to if data.flex == "leave_out" else None,
    )
    return study.first_period is not None, any(end is not None for end in ends)


def month_of(text: object, key: str) -> pd.Period:
    """A period of the config as a month. Raises InputError."""
    try:
        return pd.Period(str(text), "M")
    except ValueError:
        raise InputError(
            Problem("C105", f"{key} is not a month", where=key, allowed="2024-04", do="write year and month")
        ) from None


def _extent(engine: Engine, config: RunConfig) -> tuple[date, date, date]:
    """The first end, the last admission and the last end of an episode, wrong years and stray records at the ends aside.

    Only episodes whose dates are in order count, and only the largest block of months without a gap of a year. At an end that
    the config does not name, months with next to no admissions are not months of the extract: stays moved on from its last
    days, or dates mistyped. Raises InputError when there is no such episode.
    """
    months = engine.frame(
        """SELECT year(admission_date) * 12 + month(admission_date) - 1 AS clock, count(*) AS n, min(episode_end) AS first_end,
        max(admission_date) AS last_admission, max(episode_end) AS last_end FROM episodes
        WHERE admission_date <= episode_start AND episode_start <= episode_end GROUP BY 1 ORDER BY 1"""
    )
    if months.empty:
        raise InputError(
            Problem(
                "X203",
                "no row of the admissions is a valid episode",
                where="data.admissions",
                do="look at the flow of inclusion: is the right column mapped to status, dates and patient class?",
            )
        )
    block = (months["clock"].diff() > EMPTY_MONTHS).cumsum()
    main = months[block == months.groupby(block)["n"].sum().idxmax()]
    full = np.flatnonzero(main["n"] >= STRAY_SHARE * main["n"].median())
    begin = 0 if config.study.first_period is not None else full[0]
    end = len(main) if config.data.complete_to or config.study.last_period is not None else full[-1] + 1
    main = main.iloc[begin:end]
    return main["first_end"].min().date(), main["last_admission"].max().date(), main["last_end"].max().date()


def _last_whole(day: date) -> pd.Period:
    month = pd.Period(day, "M")
    return month if day == month.end_time.date() else month - 1


def _mature(config: RunConfig, last: pd.Period) -> pd.Period:
    """The last month that ended long enough before the extract was made, and is frozen when flex months are left out."""
    data = config.data
    if data.extracted is not None and data.maturity_days is not None:
        last = min(last, _last_whole(data.extracted - timedelta(days=data.maturity_days)))
    if data.frozen_to is not None and data.flex == "leave_out":
        last = min(last, _last_whole(data.frozen_to))
    return last


def _before_months_in_part(engine: Engine, config: RunConfig, last: pd.Period) -> pd.Period:
    """The last month with records before those at the end of which only a part was sent; the same one where the study says how far to go."""
    if config.data.complete_to is not None or config.study.last_period is not None:
        return last
    months = engine.frame("SELECT clock, sum(n) AS n FROM provider_months GROUP BY clock").set_index("clock")["n"]
    upto = last.year * 12 + last.month - 1
    counts = months.reindex(range(int(months.index.min()), upto + 1), fill_value=0).to_numpy(dtype=float)
    in_part = sent_in_part(counts[None, :], config.quality.limit("D314"))[0]
    if not in_part.any():
        return last
    end = int(np.argmax(in_part))
    while counts[end - 1] == 0:
        end -= 1
    return last - (len(counts) - end)


def _cut(config: RunConfig, first: pd.Period, last: pd.Period) -> tuple[pd.Period, pd.Period]:
    """The window that [study] asks for, which must lie inside the data."""
    problems = []
    begin, end = first, last
    if config.study.first_period is not None:
        begin = month_of(config.study.first_period, "study.first_period")
    if config.study.last_period is not None:
        end = month_of(config.study.last_period, "study.last_period")
    for key, month in (("study.first_period", begin), ("study.last_period", end)):
        if not first <= month <= last:
            problems.append(
                Problem(
                    "D320",
                    f"{key} {month} lies outside the data",
                    where=key,
                    allowed=f"{first} to {last}",
                    do="choose a complete month of the data, or leave it out",
                )
            )
    if not problems and end < begin:
        problems.append(
            Problem("D320", "study.last_period lies before study.first_period", where="study", do="turn them round")
        )
    if problems:
        raise InputError(*problems)
    return begin, end


def _no_month(config: RunConfig, first: pd.Period) -> Problem:
    """What left no month of the data: a date of the config, where there is one, else the data themselves."""
    data = config.data
    chosen = {
        "complete_to": data.complete_to,
        "extracted": data.extracted,
        "frozen_to": data.frozen_to if data.flex == "leave_out" else None,
    }
    named = {key: day for key, day in chosen.items() if day is not None}
    if not named:
        return Problem(
            "D320",
            "there is no complete month in the admissions",
            where="data.admissions",
            do="give more months, or say how far the extract is complete with data.complete_to",
        )
    said = " and ".join(f"{key} = {day}" for key, day in named.items())
    return Problem(
        "D320",
        f"{said} leave{'s' if len(named) == 1 else ''} no complete month of the admissions, which begin in {first}",
        where=", ".join(f"data.{key}" for key in named),
        do="mend the date, or give the extract that belongs to it",
    )


def _why_last(config: RunConfig, last: pd.Period, newest: pd.Period) -> str:
    data = config.data
    parts = []
    if last < newest:
        months = f"{last + 1} to {newest}" if last + 1 < newest else str(newest)
        limit = config.quality.limit("D314")
        parts.append(
            f"{months}: under {100 * limit:g} % of the records of a usual month, so that the rest is still to come"
        )
    if data.maturity_days is not None:
        parts.append(
            f"a month counts {counted(data.maturity_days, 'day')} after its end, the extract is of {data.extracted}"
        )
    if data.flex == "leave_out":
        parts.append(f"months after {data.frozen_to} are flex and left out")
    return f" ({'; '.join(parts)})" if parts else ""


def _flex_months(config: RunConfig, first: pd.Period, last: pd.Period) -> list[Finding]:
    frozen = config.data.frozen_to
    if frozen is None or last <= _last_whole(frozen):
        return []
    begins = max(first, _last_whole(frozen) + 1)
    return [Finding("D363", where=f"{begins} to {last}" if begins < last else str(last))]
