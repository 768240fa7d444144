"""What a scheduled run obeys: data that are too old are refused, and the causal headline is refreshed on its cycle only.

Looking at a causal estimate every month and stopping when it pleases makes false findings likely, so between two refreshes
a month is monitoring: the estimates of that month are kept in `restricted/`, the page carries those of the last refresh.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from aaot_eval.errors import DataQualityError, Problem, UsageError, counted

if TYPE_CHECKING:
    import pandas as pd

    from aaot_eval.config import RunConfig
    from aaot_eval.results import Release
    from aaot_eval.run_folder import RunFolder, StudyFolder

MONTHS = {"monthly": 1, "quarterly": 3, "yearly": 12}

#: Tables that say what came in this month. All others rest on the estimates and are those of the last refresh.
MONITORING_TABLES = ("caseload", "control_chart", "data_quality", "flow", "service_cost", "unit_costs")
SERIES_KEY = ["analysis", "unit", "outcome", "period"]
SERIES_MODEL = ["fitted", "expected", "expected_low", "expected_high"]
CAUSAL_META = ("verdict", "money", "primary")


def month_number(label: str) -> int:
    """Months since year 0 of "2026-03"."""
    year, month = label.split("-")[:2]
    return int(year) * 12 + int(month) - 1


def month_label(number: int) -> str:
    """The reverse of `month_number`."""
    return f"{number // 12:04d}-{number % 12 + 1:02d}"


def refuse_stale(data_cut: str, period_kind: str, as_of: date | datetime, lag_months: int) -> None:
    """DataQualityError when the newest complete month is older than the run's month less the lag."""
    if period_kind != "month":
        raise UsageError(
            Problem(
                "U002",
                f"a scheduled run needs monthly data; these are by {period_kind}",
                do="leave out --until latest and --as-of",
            )
        )
    expected = as_of.year * 12 + as_of.month - 1 - lag_months
    if month_number(data_cut) < expected:
        raise DataQualityError(
            Problem("D330", f"the data are stale: the newest complete month is {data_cut}; {month_label(expected)} was expected",
                    where=f"as of {as_of:%Y-%m-%d}, allowing {counted(lag_months, 'month')}",
                    do="ask for the newer extract, or set [monthly] lag_months; the latest run is untouched")
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Refresh:
    """Whether this run's causal estimates are shown, and when they are next made; `source` is the run they come from."""

    cycle: str
    refreshed: bool
    data_cut: str
    next_cut: str
    source: RunFolder | None = None

    def facts(self, run: str) -> dict[str, Any]:
        """The refresh as the record and the page show it."""
        return {
            "cycle": self.cycle,
            "refreshed": self.refreshed,
            "data_cut": self.data_cut,
            "next": self.next_cut,
            "run": self.source.path.name if self.source else run,
        }

    @property
    def sentence(self) -> str:
        """What the page says of it; empty when the run follows no cycle."""
        if not self.next_cut:
            return ""
        if self.refreshed:
            return f"made anew with data to {self.data_cut}; next with data to {self.next_cut}"
        return f"carried from the run with data to {self.data_cut}; monitoring only until data to {self.next_cut}"


def plan_refresh(study: StudyFolder, config: RunConfig, data_cut: str) -> Refresh:
    """The refresh of a scheduled run: due at the end of a cycle, after a change of config, and when no earlier run exists."""
    from aaot_eval.run_folder import config_hash

    study_sha256 = config_hash(config, window=False)
    step = MONTHS[config.monthly.refresh]
    cut = month_number(data_cut)
    cycle_end = (cut + 1) // step * step - 1
    following = month_label(cycle_end + step)
    earlier = [
        run for run in study.runs()
        if run.manifest["refresh"].get("refreshed", True)
        and run.manifest["study_sha256"] == study_sha256
        and run.manifest["period_kind"] == "month"
        and cycle_end <= month_number(str(run.manifest["data_cut"])) < cut
    ]  # fmt: skip
    if not earlier:
        return Refresh(config.monthly.refresh, True, data_cut, following)
    source = earlier[-1]
    return Refresh(config.monthly.refresh, False, str(source.manifest["data_cut"]), following, source)


def carry(release: Release, refresh: Refresh) -> Release:
    """The release of a month between refreshes: its own monitoring tables, the causal tables of the last refresh."""
    if refresh.source is None:
        return release
    import pandas as pd

    from aaot_eval.report.sections.monthly import newest_words

    last = refresh.source.release()
    tables = {name: frame for name, frame in release.tables.items() if name in MONITORING_TABLES}
    tables |= {name: frame for name, frame in last.tables.items() if name not in MONITORING_TABLES}
    if "series" in release.tables and "series" in last.tables:
        tables["series"] = _observed_on(release.tables["series"], last.tables["series"])
    newest = release.meta["monthly"].get("newest")
    note = {
        "order": 0,
        "question": "What is new this month?",
        "sentence": f"Monitoring only: the data now run to {release.meta['data_cut']}. The answers below were estimated with "
        f"data to {refresh.data_cut} and are next estimated with data to {refresh.next_cut}."
        + (f" {newest_words(newest)}" if newest else ""),
        "verdict": "monitoring",
    }
    tables["headline"] = pd.concat([pd.DataFrame([note]), tables["headline"]], ignore_index=True)
    meta: Mapping[str, Any] = dict(release.meta) | {key: last.meta[key] for key in CAUSAL_META if key in last.meta}
    return replace(release, tables=dict(sorted(tables.items())), meta=meta)


def _observed_on(now: pd.DataFrame, last: pd.DataFrame) -> pd.DataFrame:
    """This month's observed series with the expected course of the last refresh, which ends where that one's data did."""
    observed = now.drop(columns=SERIES_MODEL)
    return observed.merge(last[[*SERIES_KEY, *SERIES_MODEL]], on=SERIES_KEY, how="left")[list(now.columns)]
