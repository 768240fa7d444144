"""How complete the records are, by column, month and site: counted in two passes, judged against the limits of the gates."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta

import pandas as pd

from aaot_eval.config import QualityConfig, RunConfig
from aaot_eval.engine import Engine
from aaot_eval.errors import counted
from aaot_eval.findings import Finding
from aaot_eval.ingest.flow import LOSSES
from aaot_eval.ingest.usable_months import month_of
from aaot_eval.names import shown_names
from aaot_eval.schema import ColumnSpec, table_schema

#: Tables that must reach from the first month to the last: what was given, its table, and the day of each record.
REACHING = (("admissions", "episodes", "admission_date"), ("attendances", "attendances", "arrival_date"))
# So many records lacking at an end, by what is usual within a year of it, are no chance; fewer records than that tell nothing.
NEAR_AN_END, LEAST_LACKING = timedelta(days=364), 15
# Fewer episodes than this in a month say nothing about how the month was coded.
LEAST_EPISODES = 10
#: Columns of episodes: name, what is missing, out of what, and the name of the column in the formats.
COLUMNS = (
    ("main diagnosis", "uncoded", "n", "diag_01"),
    ("admission method", "no_method", "n", "admission_method"),
    ("admission source", "no_source", "n", "admission_source"),
    ("discharge date", "no_leaving", "sent_out", "discharge_date"),
    ("discharge method", "no_way_out", "ended", "discharge_method"),
    ("discharge destination", "no_destination", "ended", "discharge_destination"),
    ("order in the spell", "no_order", "n", "episode_order"),
    ("sex", "no_sex", "n", "sex"),
    ("age", "no_age", "n", "age"),
    ("site of treatment", "no_site", "n", "treatment_site"),
)
#: Columns without which a row is lost: the reason of the loss, and the column.
NEEDED = (
    ("no_person", "person key"),
    ("no_provider", "provider"),
    ("no_admission_date", "admission date"),
    ("no_episode_date", "episode dates"),
    ("no_key", "episode key"),
    ("no_patient_class", "patient class"),
)
#: Columns that a source may leave empty altogether: no rule needs them unless some of them are there.
OPTIONAL = ("site of treatment",)
#: Columns with gates of their own: what stops above a limit, and what warns from another one on.
OWN_GATES = (("main diagnosis", "D331", "D312"), ("admission method", "D332", "D335"))


def clock_of(month: pd.Period) -> int:
    """The calendar number of a month: 12 times its year, and the months before it in the year."""
    return int(month.year) * 12 + int(month.month) - 1


def month_text(clock: int) -> str:
    """The reverse: 2024-01."""
    return f"{int(clock) // 12:04d}-{int(clock) % 12 + 1:02d}"


def spans(clocks: Sequence[int] | pd.Index | pd.Series) -> str:
    """Months as text, neighbours joined: 2024-01 to 2024-12, 2025-03."""
    found = pd.Series(sorted({int(c) for c in clocks}))
    parts = []
    for _, run in found.groupby((found.diff() != 1).cumsum()):
        parts.append(" to ".join(dict.fromkeys(month_text(c) for c in (run.iloc[0], run.iloc[-1]))))
    return ", ".join(parts)


def known_methods() -> tuple[str, ...]:
    """The published methods of admission, without those for not applicable and not known."""
    published = table_schema("extracts", "hes_apc")["admission_method"].enum
    return tuple(code for code in published if code not in ("98", "99"))


def months_of_providers(engine: Engine, first: pd.Period, last: pd.Period) -> pd.DataFrame:
    """`provider_months` of the usable months, one row a provider and month, sorted."""
    begin, end = clock_of(first), clock_of(last)
    return engine.frame(f"SELECT * FROM provider_months WHERE clock BETWEEN {begin} AND {end} ORDER BY provider, clock")


def completeness(engine: Engine, months: pd.DataFrame, first: pd.Period, last: pd.Period) -> pd.DataFrame:
    """By `column`, `site` (provider) and `month`: `records` looked at and how many of them were `missing` the column.

    Rows lost for want of a column are records of that column; those without a provider or any date stand under an empty
    site or month and are left to the flow of inclusion.
    """
    parts = {
        name: months[["provider", "clock"]].assign(column=name, records=months[out_of], missing=months[gone])
        for name, gone, out_of, _ in COLUMNS
    }
    begin, end = clock_of(first), clock_of(last)
    lost = engine.frame(
        f"SELECT provider, loss, clock, n FROM lost_months WHERE clock BETWEEN {begin} AND {end} ORDER BY provider, loss, clock"
    )
    kept = months[["provider", "clock", "n"]]
    for reason, name in NEEDED:
        gone = lost.loc[lost["loss"] == reason, ["provider", "clock", "n"]].rename(columns={"n": "missing"})
        both = kept.merge(gone, on=["provider", "clock"], how="outer", sort=True).fillna({"n": 0, "missing": 0})
        parts[name] = both[["provider", "clock"]].assign(
            column=name,
            records=(both["n"] + both["missing"]).astype("int64"),
            missing=both["missing"].astype("int64"),
        )
    # Every part is in the order of provider and month.
    found = pd.concat([parts[name] for name in sorted(parts)], ignore_index=True)
    found["month"] = found["clock"].map({c: month_text(c) for c in found["clock"].unique()})
    return found.rename(columns={"provider": "site"})[["column", "site", "month", "clock", "records", "missing"]]


def check_reach(engine: Engine, names: Collection[str], first: pd.Period, last: pd.Period) -> list[Finding]:
    """Tables that begin after the first month or end before the last, by the days without a record that should have had some (D376)."""
    begin, end = first.start_time.date(), last.end_time.date()
    findings = []
    for given, table, day in REACHING:
        if table not in names:
            continue
        for word, month, low, high in (
            ("begin", first, begin, begin + NEAR_AN_END),
            ("end", last, end - NEAR_AN_END, end),
        ):
            n, earliest, latest = engine.rows(
                f"SELECT count(*), min({day}), max({day}) FROM {table} WHERE {day} BETWEEN DATE '{low}' AND DATE '{high}'"
            )[0]
            if n < LEAST_LACKING:
                continue
            silent = (earliest - low).days if word == "begin" else (high - latest).days
            if silent * n / ((latest - earliest).days + 1) >= LEAST_LACKING:
                where = f"the beginning of {month}" if word == "begin" else f"the end of {month}"
                detail = f"they {word} {counted(silent, 'day')} {'after' if word == 'begin' else 'before'} {where}"
                findings.append(Finding("D376", where=given, detail=detail))
    return findings


def emptied(column: ColumnSpec) -> bool:
    """Whether a format takes from this column a few codes only and leaves it empty for all others, so that empty is not missing."""
    return "*" in column.extra.get("recode", {}).get("", ())


def check_completeness(found: pd.DataFrame, config: RunConfig, held: Collection[str]) -> list[Finding]:
    """Months, and months of single sites, in which a column is missing too often (D312, D331, D332, D335, D395, D396).

    More than half of the valid episodes without a diagnosis or method stops the run, as the month would count as one without
    admissions. Months that the study leaves out are not judged, nor columns that the files do not hold.
    """
    out = {clock_of(month_of(v, "study.left_out")) for v in config.study.left_out}
    found = found[~found["clock"].isin(out)]
    findings = []
    for name, stop, warn in OWN_GATES:
        findings += _with_own_gates(found[found["column"] == name], config.quality, stop, warn)
    own = {name for name, _, _ in OWN_GATES}
    for name, _, _, column in COLUMNS:
        rows = found[found["column"] == name]
        unused = name in OPTIONAL and rows["missing"].sum() == rows["records"].sum()
        if name not in own and column in held and not unused:
            findings += _often_empty(rows, name, config.quality.limit("D395"))
    reasons = dict(NEEDED)
    for reason, _, why in LOSSES:
        if reason in reasons:
            rows = found[found["column"] == reasons[reason]]
            findings += _lost_somewhere(rows, why, config.quality.limit("D396"))
    return findings


def _with_own_gates(found: pd.DataFrame, limits: QualityConfig, stop: str, warn: str) -> list[Finding]:
    months = found.groupby("clock")[["records", "missing"]].sum()
    months = months[months["records"] >= LEAST_EPISODES]
    share, most, some = months["missing"] / months["records"], limits.limit(stop), limits.limit(warn)
    empty, doubtful = months[share > most], months[(share >= some) & (share <= most)]
    findings = []
    words = "half" if most == 0.5 else f"{most:.0%}"
    if len(empty):
        detail = f"at most {words} of the episodes of a month; here more"
        findings.append(_finding(stop, spans(empty.index), empty, detail))
    large = found["records"] >= LEAST_EPISODES
    sites = found[~found["clock"].isin(empty.index) & large & (found["missing"] > most * found["records"])]
    for site, rows in sites.groupby("site"):
        detail = f"at most {words} of the episodes of a site and month; here more"
        findings.append(_finding(stop, f"{shown_names([site])}: {spans(rows['clock'])}", rows, detail))
    if len(doubtful):
        detail = f"{100 * some:g} to {100 * most:g} % of the episodes"
        findings.append(_finding(warn, spans(doubtful.index), doubtful, detail))
    return findings


def _often_empty(found: pd.DataFrame, name: str, limit: float) -> list[Finding]:
    """One finding a column: where it is missing everywhere, in single months, or at single sites."""
    everywhere = found["missing"].sum() >= limit * max(found["records"].sum(), 1)
    where = ["all sites and months together"] if everywhere else []
    for by, shown in (("clock", spans), ("site", lambda names: shown_names(sorted(names)))):
        groups = found.groupby(by)[["records", "missing"]].sum()
        high = groups[(groups["records"] >= LEAST_EPISODES) & (groups["missing"] >= limit * groups["records"])]
        if 0 < len(high) < len(groups):
            where.append(shown(high.index))
    if not where:
        return []
    detail = f"{name}: missing in {limit:.0%} or more"
    return [Finding("D395", where="; ".join(where), records=int(found["missing"].sum()), detail=detail)]


def _lost_somewhere(found: pd.DataFrame, why: str, limit: float) -> list[Finding]:
    """One finding a site; a loss that is as large everywhere is left to the gates of all rows (D333, D334)."""
    high = found[
        (found["records"] >= LEAST_EPISODES) & (found["missing"] > 0) & (found["missing"] >= limit * found["records"])
    ]
    findings = []
    for site, rows in high.groupby("site"):
        place = shown_names([site]) if site else "no provider"
        findings.append(
            Finding(
                "D396",
                where=f"{place}: {spans(rows['clock'])}",
                records=int(rows["missing"].sum()),
                detail=f"{why}: {limit:.0%} or more",
            )
        )
    return findings


def _finding(code: str, where: str, rows: pd.DataFrame, detail: str) -> Finding:
    return Finding(code, where=where, records=int(rows["missing"].sum()), detail=detail)
