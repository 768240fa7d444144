"""The rows against the rules of the field, and the tables against one another: findings, flow, and the usable months."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import numpy as np
import pandas as pd

from aaot_eval.config import QualityConfig, RunConfig
from aaot_eval.engine import Engine, ReadPlan
from aaot_eval.engine.files import shown_names
from aaot_eval.errors import InputError, Problem, counted
from aaot_eval.findings import Finding
from aaot_eval.ingest.person_keys import NO_DIFFERENCE, key_difference
from aaot_eval.results import FlowStep
from aaot_eval.schema import table_schema

# Why an episode left, in the order the rules are asked.
LOSSES = (
    ("unfinished", "finished episodes", "not finished (episode status is not 3)"),
    ("no_person", "with a person", "no person key"),
    ("no_provider", "with a provider", "no provider"),
    ("no_admission_date", "with an admission date", "no admission date"),
    ("no_episode_date", "with both episode dates", "no start or no end of the episode"),
    ("no_key", "with an episode key", "no episode key"),
    ("regular_attender", "admissions", "regular day or night attender (patient class 3 or 4)"),
    ("no_patient_class", "of a known class", "patient class not 1, 2 or 5"),
    ("private", "not of private patients", "private patient (administrative category 02), left out as the study says"),
    ("repeated", "each key once", "the same episode key again; the last load wins"),
    ("copied", "each episode once", "the same person, provider, order and dates under another key"),
)
FINDING_OF_LOSS = {
    "no_person": "D316",
    "regular_attender": "D302",
    "repeated": "D303",
    "copied": "D303",
    "private": "D414",
}
# Nobody admitted anywhere for a year: what lies beyond has a wrong year in its date.
EMPTY_MONTHS = 12
# A month at either end with less than this share of the usual admissions holds strays: a pandemic or a closed site leaves far more.
STRAY_SHARE = 0.1
# Nobody of an extract died before 1900.
EARLIEST_DEATH = "1900-01-01"
# More people than any hospital serves.
MOST_SERVED = 1e9


def episode_flow(engine: Engine) -> list[FlowStep]:
    """What became of every row read: one step a loss, each adding up to what came in."""
    places = " ".join(f"WHEN '{name}' THEN {i}" for i, (name, _, _) in enumerate(LOSSES))
    lost = {
        reason: (int(n), int(people))
        for reason, n, people in engine.rows(
            """SELECT reason, count(*), count(DISTINCT CASE WHEN reason <> 'kept' THEN person END) FROM episode_losses
            GROUP BY reason"""
        )
    }
    # A person is still there after a loss when any row of theirs went further.
    furthest = f"""SELECT person, max(CASE reason WHEN 'kept' THEN {len(LOSSES)} {places} END) AS place
        FROM episode_losses WHERE person IS NOT NULL GROUP BY person"""
    last = dict(engine.rows(f"SELECT place, count(*) FROM ({furthest}) AS f GROUP BY place"))
    total = sum(n for n, _ in lost.values())
    steps = [FlowStep("episodes", "rows read", total, 0, sum(last.values()), 0)]
    for i, (name, step, why) in enumerate(LOSSES):
        gone, people = lost.get(name, (0, 0))
        if gone:
            still = sum(n for place, n in last.items() if place > i)
            steps.append(
                FlowStep(
                    "episodes", step, steps[-1].kept - gone, gone, still, None if name == "no_person" else people, why
                )
            )
    kept = engine.rows("SELECT count(*) FROM episodes")[0][0]
    if steps[-1].kept != kept:
        raise ValueError("the flow of episodes does not add up")
    return steps


def flow_findings(flow: Sequence[FlowStep]) -> list[Finding]:
    """The losses of the flow as findings."""
    reasons = {why: name for name, _, why in LOSSES}
    return [
        Finding(
            FINDING_OF_LOSS.get(reasons[s.reason], "D301"),
            where="admissions",
            records=s.lost,
            people=s.lost_people,
            detail=s.reason,
        )
        for s in flow
        if s.reason in reasons
    ]


def stay_flow(engine: Engine, names: Mapping[str, str], first: pd.Period, last: pd.Period) -> list[FlowStep]:
    """From episodes to the stays that a site is counted by: joined, in the window, at a site of the table."""
    window = f"s.admission_date BETWEEN DATE '{first.start_time.date()}' AND DATE '{last.end_time.date()}'"
    joined, at_site = (
        ("LEFT JOIN sites AS t ON t.site = s.site", "t.site IS NOT NULL") if "sites" in names else ("", "TRUE")
    )
    # One pass: whoever has more stays than stays inside has lost one, and whoever has one inside is still there.
    stays, people, inside, people_inside, people_outside, placed, people_placed, people_elsewhere = (
        int(n)
        for n in engine.rows(
            f"""SELECT coalesce(sum(n), 0), count(*), coalesce(sum(inside), 0), count(CASE WHEN inside > 0 THEN 1 END),
            count(CASE WHEN n > inside THEN 1 END), coalesce(sum(placed), 0), count(CASE WHEN placed > 0 THEN 1 END),
            count(CASE WHEN inside > placed THEN 1 END)
            FROM (SELECT s.person, count(*) AS n, sum(CASE WHEN {window} THEN 1 ELSE 0 END) AS inside,
                sum(CASE WHEN {window} AND {at_site} THEN 1 ELSE 0 END) AS placed
                FROM stays AS s {joined} GROUP BY s.person) AS people"""
        )[0]
    )
    steps = [FlowStep("stays", "continuous stays", stays, 0, people, 0)]
    if stays > inside:
        why = f"admitted before {first} or after {last}"
        steps.append(
            FlowStep("stays", "admitted in the window", inside, stays - inside, people_inside, people_outside, why)
        )
    if inside > placed:
        why = "at a site that is not in the sites table"
        steps.append(
            FlowStep("stays", "at a site of the study", placed, inside - placed, people_placed, people_elsewhere, why)
        )
    return steps


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
    last = _mature(config, last)
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
                detail=f"the last complete month is {last}" + _why_last(config),
            )
        )
    return first, last, findings + _flex_months(config, first, last)


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


def _mature(config: RunConfig, last: pd.Period) -> pd.Period:
    """The last month that ended long enough before the extract was made, and is frozen when flex months are left out."""
    data = config.data
    if data.extracted is not None and data.maturity_days is not None:
        last = min(last, _last_whole(data.extracted - timedelta(days=data.maturity_days)))
    if data.frozen_to is not None and data.flex == "leave_out":
        last = min(last, _last_whole(data.frozen_to))
    return last


def _why_last(config: RunConfig) -> str:
    data = config.data
    parts = []
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


#: Settings that change what is counted, with their defaults.
RULES = (
    ("study", "spell_rule"), ("study", "stay_rule"), ("counting", "positions"), ("counting", "code_list"), ("counting", "date_by"),
    ("counting", "fractions"), ("counting", "readmission_days"), ("counting", "days"), ("counting", "nation"),
    ("counting", "repeated_attendances"), ("counting", "private_patients"),
)  # fmt: skip


def rules_chosen(config: RunConfig) -> dict[str, object]:
    """Every rule of counting in force, by its name in the config."""
    return {f"{part}.{key}": getattr(getattr(config, part), key) for part, key in RULES}


def check_rules(config: RunConfig) -> list[Finding]:
    """The rules of counting that are not the defaults (D369)."""
    usual = {f"{part}.{key}": type(getattr(config, part)).model_fields[key].default for part, key in RULES}
    other = {k: v for k, v in rules_chosen(config).items() if v != usual[k]}
    return [Finding("D369", where="config", detail=", ".join(f"{k} = {v}" for k, v in other.items()))] if other else []


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


def month_of(text: object, key: str) -> pd.Period:
    """A period of the config as a month. Raises InputError."""
    try:
        return pd.Period(str(text), "M")
    except ValueError:
        raise InputError(
            Problem("C105", f"{key} is not a month", where=key, allowed="2024-04", do="write year and month")
        ) from None


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


def check_records(engine: Engine, flow: Sequence[FlowStep]) -> list[Finding]:
    """Findings about the episodes and stays themselves."""
    findings = flow_findings(flow)
    dates = engine.rows(
        """SELECT count(*), count(DISTINCT person) FROM episodes WHERE episode_end < episode_start
        OR episode_start < admission_date OR discharge_date < admission_date"""
    )[0]
    if dates[0]:
        findings.append(
            Finding(
                "D304",
                where="admissions",
                records=dates[0],
                people=dates[1],
                detail="end before start, or start before admission",
            )
        )
    overlaps = engine.rows("SELECT count(*), count(DISTINCT person) FROM spells WHERE latest_end > admission_date")[0]
    if overlaps[0]:
        findings.append(Finding("D306", where="spells", records=overlaps[0], people=overlaps[1]))
    return findings


def unknown_codes(engine: Engine, plans: Sequence[ReadPlan]) -> list[Finding]:
    """Codes outside the list of their column, one finding a column and file (D313); asked while the judged rows are there."""
    checked = {c.name: c for c in table_schema("extracts", "hes_apc").columns if c.enum}
    outside = {}
    for name, column in checked.items():
        listed = ", ".join(f"'{code}'" for code in column.enum or ())
        outside[name] = f"{name} IS NOT NULL AND {name} NOT IN ({listed})"
    counts = ", ".join(
        f"coalesce(sum(CASE WHEN {when} THEN n END), 0) AS n{i}" for i, when in enumerate(outside.values())
    )
    # The few combinations of codes are judged, and not every row.
    codes = ", ".join(outside)
    found = engine.rows(
        f"SELECT {counts} FROM (SELECT {codes}, count(*) AS n FROM episodes_judged GROUP BY {codes}) AS combinations"
    )[0]
    files = {plan.load: plan for plan in plans}
    findings = []
    for (name, when), n in zip(outside.items(), found, strict=True):
        by_file = f"SELECT load, count(*), count(DISTINCT person) FROM episodes_judged WHERE {when} GROUP BY load ORDER BY load"
        for load, rows, people in engine.rows(by_file) if n else ():
            plan = files[int(load)]
            theirs = shown_names([plan.columns.get(name, checked[name].source_names[0])])
            findings.append(Finding("D313", where=f"{theirs}, {plan.name}", records=int(rows), people=int(people)))
    return findings


def check_sites(engine: Engine, config: RunConfig, names: Mapping[str, str], last: pd.Period) -> list[Finding]:
    """The sites table against the admissions. Raises InputError for a repeated site or one that has no admission."""
    if "sites" not in names:
        return []
    sites = engine.frame("SELECT site, go_live, stopped, population, beds FROM sites ORDER BY site")
    there = {r[0] for r in engine.rows("SELECT DISTINCT site FROM stays")}
    problems = []
    for site in sorted(sites["site"][sites["site"].duplicated()].unique()):
        problems.append(
            Problem(
                "D321",
                f"the site {shown_names([site])} stands twice in the sites table",
                where="data.sites",
                do="keep one row for each site",
            )
        )
    absent = sorted(set(sites["site"]) - there)
    if absent:
        near = difflib.get_close_matches(absent[0], sorted(there), n=3)
        problems.append(
            Problem(
                "D321",
                f"no admission at the sites {shown_names(absent)}",
                where="data.sites",
                allowed=f"sites in the admissions: {shown_names(sorted(there)[:20])}",
                do=f"did you mean {shown_names(near)}?"
                if near
                else "write the sites as the provider codes of the extract",
            )
        )
    large = (sites["population"] > MOST_SERVED) | (sites["beds"] > MOST_SERVED)
    for site in sites["site"][large]:
        problems.append(
            Problem(
                "D321",
                f"population or beds of {shown_names([site])} are above a thousand million",
                where="data.sites",
                do="mend the number: people and beds, not thousands of them",
            )
        )
    for site in sites["site"][(sites["population"] <= 0) | (sites["beds"] <= 0)]:
        problems.append(
            Problem(
                "D321",
                f"population and beds of {shown_names([site])} must be above zero",
                where="data.sites",
                do="mend the number, or leave it blank",
            )
        )
    if 0 < sites["population"].isna().sum() < len(sites):
        missing = sites["site"][sites["population"].isna()]
        problems.append(
            Problem(
                "D321",
                f"no population for {shown_names(missing)}",
                where="data.sites",
                do="give the population of every site, or of none",
            )
        )
    if problems:
        raise InputError(*problems)
    other = engine.rows(
        """SELECT s.site, count(*), count(DISTINCT s.person) FROM stays s LEFT JOIN sites t ON t.site = s.site
        WHERE t.site IS NULL GROUP BY s.site ORDER BY s.site"""
    )
    if not other:
        return []
    listed = shown_names(r[0] for r in other[:20])
    people = engine.rows(
        "SELECT count(DISTINCT s.person) FROM stays s LEFT JOIN sites t ON t.site = s.site WHERE t.site IS NULL"
    )[0][0]
    return [Finding("D311", where=listed, records=sum(r[1] for r in other), people=people)]


def unused_links(engine: Engine) -> list[Finding]:
    """Death links that their source says are not to be used, counted."""
    (n,) = engine.rows("SELECT count(*) FROM deaths_read WHERE link_used = '0'")[0]
    return [Finding("D353", where="deaths", records=n)] if n else []


def check_deaths(engine: Engine, last: pd.Period, limits: QualityConfig) -> list[Finding]:
    """Deaths with activity after them, and deaths at a time that no register can hold."""
    # Deaths are linked up to about a year beyond an extract.
    latest = (last + int(limits.limit("D344"))).end_time.date()
    findings = []
    for code, when in (
        ("D305", "contradicted = 1"),
        ("D344", f"death_date > DATE '{latest}' OR death_date < DATE '{EARLIEST_DEATH}'"),
    ):
        n = engine.rows(f"SELECT count(*) FROM deaths WHERE {when}")[0][0]
        if n:
            findings.append(Finding(code, where="deaths", records=n, people=n))
    return findings


def check_caseload(
    engine: Engine, config: RunConfig, names: Mapping[str, str], first: pd.Period, last: pd.Period
) -> tuple[list[FlowStep], list[Finding]]:
    """The caseload against sites, admissions and months. Raises InputError when it names unknown sites or matches nobody."""
    problems = []
    known = "SELECT site FROM sites" if "sites" in names else "SELECT DISTINCT site FROM stays"
    sites = [r[0] for r in engine.rows(f"SELECT DISTINCT site FROM ({known}) AS k ORDER BY site")]
    unknown = [
        r[0] for r in engine.rows(f"SELECT DISTINCT site FROM caseload_read WHERE site NOT IN ({known}) ORDER BY site")
    ]
    if unknown:
        problems.append(
            Problem(
                "D322",
                f"the caseload names unknown sites: {shown_names(unknown)}",
                where="data.caseload",
                allowed=shown_names(sites[:30]),
                do="write the site as in " + ("the sites table" if "sites" in names else "the extract"),
            )
        )
    (rows,) = engine.rows("SELECT count(*) FROM caseload_read")
    people, linked = engine.rows(
        """SELECT count(*), count(s.person) FROM caseload c LEFT JOIN (SELECT DISTINCT person FROM episodes) AS s ON s.person = c.person"""
    )[0]
    difference = NO_DIFFERENCE
    if linked < people:
        difference = key_difference(engine, hashed=config.data.person_key is not None, nobody=not linked)
    if people and not linked:
        problems.append(
            Problem(
                "D308",
                "no person of the caseload is in the admissions: the ids are of two kinds"
                + (f"; {difference.said}" if difference.said else ""),
                where="data.caseload",
                do=difference.do or "give both files the same person id, or map [data.person_key]",
            )
        )
    begin, end = first.start_time.date(), last.end_time.date()
    early = engine.rows(f"SELECT count(*) FROM caseload WHERE referred < DATE '{begin}'")[0][0]
    if early:
        problems.append(
            Problem(
                "D320",
                "the caseload has referrals before the first month of the data",
                where="data.caseload, column referred",
                allowed=f"{first} onwards",
                do="give admissions from before the first referral, or mend the dates",
            )
        )
    late = engine.rows(f"SELECT count(*) FROM caseload WHERE referred > DATE '{end}'")[0][0]
    if people and late == people:
        problems.append(
            Problem(
                "D320",
                "nobody of the caseload was referred inside the months of the data",
                where="data.caseload, column referred",
                allowed=f"{first} to {last}",
                do="wait for admissions from after the first referral, or mend the dates",
            )
        )
    if problems:
        raise InputError(*problems)
    flow = [
        FlowStep("caseload", "referrals read", rows[0], 0, people, 0),
        FlowStep(
            "caseload", "first referrals", people, rows[0] - people, people, None, "the same person referred again"
        ),
        FlowStep(
            "caseload", "referred in the window", people - late, late, people - late, late, f"referred after {last}"
        ),
    ]
    findings = []
    if people - linked > config.quality.limit("D307") * people:
        missing = people - linked
        findings.append(
            Finding(
                "D307",
                where="caseload",
                records=missing,
                people=missing,
                detail=difference.said,
                advice=difference.advice,
            )
        )
    findings += _contradictions(engine, "sites" in names)
    return [s for s in flow if s.lost or s.step != "first referrals"], findings


def join_report(engine: Engine, limits: QualityConfig) -> tuple[pd.DataFrame, list[Finding]]:
    """By `site` of the caseload and together (`all`): `people`, how many of them are `found` among the admissions and how many at the
    site itself (`found_here`). A site above the limit is a warning (D394), unless every site is as badly joined."""
    found = engine.frame(
        """SELECT c.site, count(*) AS people, count(s.person) AS found, count(h.person) AS found_here FROM caseload AS c
        LEFT JOIN (SELECT DISTINCT person FROM episodes) AS s ON s.person = c.person
        LEFT JOIN (SELECT DISTINCT person, site FROM stays) AS h ON h.person = c.person AND h.site = c.site
        GROUP BY c.site ORDER BY c.site"""
    )
    limit = limits.limit("D394")
    findings = []
    for site, people, there in zip(found["site"], found["people"].astype(int), found["found"].astype(int), strict=True):
        if people - there > limit * people:
            detail = f"above {limit:.0%} of its caseload"
            findings.append(
                Finding("D394", where=shown_names([site]), records=people - there, people=people - there, detail=detail)
            )
    together = found[["people", "found", "found_here"]].sum().to_frame().T.assign(site="all")
    return pd.concat([together, found], ignore_index=True)[["site", "people", "found", "found_here"]], findings


def _contradictions(engine: Engine, with_sites: bool) -> list[Finding]:
    """Referrals that cannot be as they are written: to a team that was not there, or that ended before they began."""
    rows = "caseload_read AS c JOIN persons AS p ON p.token = c.person"
    at_site = f"{rows} JOIN sites AS s ON s.site = c.site"
    asked = [
        ("D342", rows, "c.ended < c.referred OR c.started < c.referred OR c.ended < c.started"),
        ("D343", rows, "c.person IN (SELECT person FROM caseload_read GROUP BY person HAVING count(*) > 1)"),
    ]
    if with_sites:
        asked += [
            (
                "D340",
                at_site,
                "date_trunc('month', c.referred) < date_trunc('month', s.go_live)",
            ),
            ("D341", at_site, "s.go_live IS NULL"),
        ]
    findings = []
    for code, source, when in sorted(asked):
        n, people = engine.rows(f"SELECT count(*), count(DISTINCT p.person) FROM {source} WHERE {when}")[0]
        if n:
            findings.append(Finding(code, where="caseload", records=n, people=people))
    return findings
