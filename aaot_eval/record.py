"""The record of a run: every table behind the report, exact, with the columns of `data_schemas/release/`.

Nothing is computed here that is not a relabelling or a count; disclosure control comes after.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from aaot_eval.config import RunConfig
from aaot_eval.config.study import COMPONENTS
from aaot_eval.findings import Finding
from aaot_eval.results import CheckResult, CostResult, Effect, Estimate, FlowStep, Panel, Verdict, estimates_table
from aaot_eval.schema import schema_names, table_schema
from aaot_eval.wording import headline_table, limits_table

#: In the place of a site or a month: all of them together.
ALL = "all"
MONTHS_IN_YEAR = 12


def build_record(
    effects: Sequence[Effect],
    verdict: Verdict,
    costs: CostResult | None,
    panel: Panel,
    findings: Sequence[Finding],
    flow: Sequence[FlowStep],
    config: RunConfig,
    control_chart: pd.DataFrame,
) -> dict[str, pd.DataFrame]:
    """All exact tables by name; a table without rows is absent."""
    primary = next(e for e in effects if e.analysis.primary)
    beside = [c for e in effects if e is not primary for c in e.checks]
    tables: dict[str, pd.DataFrame] = {
        "estimates": estimates_table(effects),
        "headline": headline_table(primary, verdict, costs, findings, beside),
        "checks": _checks([*primary.checks, *beside]),
        "series": _series(effects, panel),
        "flow": _flow(flow),
        "data_quality": _data_quality(findings),
        "caseload": _caseload(panel),
        "fidelity": _fidelity(config, effects, panel),
        "control_chart": control_chart,
        "linked_effects": _linked_effects(effects),
        "limits": limits_table(primary, primary.checks, findings, costs, panel.treated_units),
    }
    for name in schema_names("release"):
        if name not in tables:
            tables[name] = _collected(name, effects)
    tables |= dict(costs.tables) if costs else {}
    return {name: _shaped(name, frame) for name, frame in sorted(tables.items()) if len(frame)}


def _shaped(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """The columns of the schema, in its order; a column the table lacks is empty."""
    return frame.reindex(columns=list(table_schema("release", name).names)).reset_index(drop=True)


def _collected(name: str, effects: Iterable[Effect]) -> pd.DataFrame:
    """What the methods and checks left under a table's name, one below the other."""
    frames = []
    for effect in effects:
        for source in (*effect.estimates, *effect.checks):
            frame = _own_table(source, name)
            if frame is not None and len(frame):
                frames.append(frame.assign(analysis=frame.get("analysis", effect.analysis.name)))
    return pd.concat(frames, ignore_index=True).drop_duplicates(ignore_index=True) if frames else pd.DataFrame()


def _own_table(source: object, name: str) -> pd.DataFrame | None:
    tables = getattr(source, "tables", None)
    if isinstance(tables, Mapping):
        return tables.get(name)
    if isinstance(source, CheckResult) and source.table is not None and source.facts.get("table") == name:
        return source.table
    return None


def _checks(checks: Sequence[CheckResult]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "analysis": c.analysis,
                "check": c.check,
                "verdict": c.verdict,
                "value_name": c.value_name,
                "statistic": c.statistic,
                "p_value": c.p_value,
                "threshold": c.threshold,
                "sentence": c.sentence,
            }
            for c in checks
        ]
    )


def _series(effects: Sequence[Effect], panel: Panel) -> pd.DataFrame:
    frames = []
    for effect in effects:
        seen: set[str] = set()
        for estimate in effect.estimates:
            if estimate.series is None or panel.outcome(estimate.outcome).kind == "cost":
                continue
            own = estimate.series.assign(analysis=effect.analysis.name, outcome=estimate.outcome)
            own = own[~own["unit"].isin(seen)]
            seen |= set(own["unit"])
            frames.append(own)
    if not frames:
        return pd.DataFrame()
    frame = pd.concat(frames, ignore_index=True)
    return frame.assign(period=frame["t"].map(panel.periods["label"]))


def quality_tables(
    findings: Sequence[Finding], flow: Sequence[FlowStep], restricted: Mapping[str, pd.DataFrame]
) -> dict[str, pd.DataFrame]:
    """What a check of the data shows: findings, flow of inclusion, and from the exact tables of `restricted` rejects by reason,
    completeness and the join of the caseload; a table without rows is absent."""
    tables = {
        "data_quality": _data_quality(findings),
        "flow": _flow(flow),
        "rejected": rejected_table(restricted.get("rejects")),
        "completeness": completeness_table(restricted.get("completeness")),
        "caseload_join": restricted.get("caseload_join", pd.DataFrame()),
    }
    return {name: _shaped(name, frame) for name, frame in tables.items() if len(frame)}


def rejected_table(rejects: pd.DataFrame | None) -> pd.DataFrame:
    """The lines rejected while reading, counted by file, column, reason and kind of value."""
    if rejects is None or rejects.empty:
        return pd.DataFrame()
    by = ["file", "column", "reason", "value_class", "row_lost"]
    counted = rejects.groupby(by, dropna=False, sort=True)["line"].nunique().rename("lines").reset_index()
    lost = counted.pop("row_lost").map({True: "yes", False: "no"})
    return counted.assign(rows_lost=lost, people=pd.array([pd.NA] * len(counted), dtype="Int64"))


def completeness_table(found: pd.DataFrame | None) -> pd.DataFrame:
    """How complete each column is: by month over all sites and by site over all months where anything is missing, else in one row."""
    if found is None or found.empty:
        return pd.DataFrame()
    counts = ["records", "missing"]
    whole = found.groupby("column")[counts].sum().reset_index().assign(site=ALL, month=ALL, first=0)
    some = found[found["column"].isin(whole.loc[whole["missing"] > 0, "column"])]
    months = some.groupby(["column", "month"])[counts].sum().reset_index().assign(site=ALL, first=1)
    sites = some.groupby(["column", "site"])[counts].sum().reset_index().assign(month=ALL, first=2)
    rows = pd.concat([whole, months[months["missing"] > 0], sites[sites["missing"] > 0]], ignore_index=True)
    rows["share"] = rows["missing"] / rows["records"].where(rows["records"] > 0)
    rows = rows.assign(people=rows["missing"], behind=rows["records"])
    return rows.sort_values(["column", "first", "site", "month"], ignore_index=True)


def _flow(flow: Sequence[FlowStep]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "order": i + 1,
                "table": s.table,
                "step": s.step,
                "kept_people": s.kept_people,
                "lost_people": s.lost_people,
                "kept": s.kept,
                "lost": s.lost,
                "reason": s.reason,
            }
            for i, s in enumerate(flow)
        ]
    )


def _data_quality(findings: Sequence[Finding]) -> pd.DataFrame:
    rank = {"stop": 0, "warn": 1, "note": 2}
    ordered = sorted(findings, key=lambda f: (rank[f.level], f.code, f.where))
    return pd.DataFrame(
        [
            {
                "code": f.code,
                "level": f.level,
                "title": f.kind.title,
                "where": f.where,
                "people": f.people,
                "records": f.records,
                "why": f.detail or f.kind.why,
                "do": f.do,
            }
            for f in ordered
        ]
    )


def _caseload(panel: Panel) -> pd.DataFrame:
    """People referred, found in the extract and dead, and their time on the caseload, by the team's site and together."""
    if panel.people is None:
        return pd.DataFrame()
    people = panel.people[panel.people["referral_t"].notna()].copy()
    if people.empty:
        return pd.DataFrame()
    last = len(panel.periods) - 1
    end = people["death_t"].fillna(last).clip(upper=last)
    people["months"] = (end - people["referral_t"] + 1).clip(lower=0).astype(float)
    people["died"] = people["death_t"].notna() & (people["death_t"] >= people["referral_t"])
    groups = [("all", people), *people.groupby("team" if "team" in people else "unit", sort=True)]
    return pd.DataFrame(
        [
            {
                "unit": unit,
                "referred": len(group),
                "linked": int(group["linked"].sum()) if "linked" in group else pd.NA,
                "deaths": int(group["died"].sum()),
                "person_years": float(group["months"].sum()) / 12,
            }
            for unit, group in groups
        ]
    )


def _fidelity(config: RunConfig, effects: Sequence[Effect], panel: Panel) -> pd.DataFrame:
    """How each team works, beside the effect on the primary outcome that its own site shows, where one was estimated."""
    primary = next(e for e in effects if e.analysis.primary)
    of_site: dict[str, Estimate] = {}
    for estimate in (est for effect in (primary, *effects) for est in effect.estimates):
        if estimate.unit in panel.units.index and estimate.outcome == primary.analysis.outcome:
            of_site.setdefault(estimate.unit, estimate)
    rows = []
    for team in config.fidelity:
        own = of_site.get(team.site)
        rows.append(
            {
                "unit": team.site,
                "level": team.level,
                "n_met": len(team.met),
                "met": "; ".join(COMPONENTS[c] for c in team.met),
                "not_met": "; ".join(COMPONENTS[c] for c in team.not_met),
                "not_stated": "; ".join(COMPONENTS[c] for c in team.not_stated),
                "source": team.source,
                **({"estimator": own.estimator, "scale": own.scale, "estimate": own.estimate, "conf_low": own.conf_low,
                    "conf_high": own.conf_high} if own else {}),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


#: What a whole site's effect, the effect over the rule and the effect on those taken on are about.
WHOLE_SITES = "all admissions of the sites with the service"
MET_RULE = "those of people who newly met the entry rule"
TAKEN_ON = "those of people taken on"


def _linked_effects(effects: Sequence[Effect]) -> pd.DataFrame:
    """The primary effect over whole sites, the one over everybody who met the entry rule, and the one over those taken on.

    The last two are one result on the difference scale: spared for each who met the rule = uptake x spared for each taken on.
    Without an effect on those taken on there is nothing to link.
    """
    primary = next(e for e in effects if e.analysis.primary)
    of_outcome = (e for e in (primary, *effects) if e.analysis.outcome == primary.analysis.outcome)
    found = next((c for e in of_outcome if (c := _by_role(e)).keys() >= {"itt", "referred"}), None)
    if found is None:
        return pd.DataFrame()
    met, taken, facts = found["itt"], found["referred"], found["itt"].facts
    uptake, rate = float(facts["uptake"]), float(facts["rate_after"])
    spared = MONTHS_IN_YEAR * rate * (1 / met.estimate - 1)
    least = int(float(facts["on_team_person_months"]) // float(facts["follow_up"]))
    rows = [
        _linked_row(met, MET_RULE, spared=spared, people_at_least=facts["n_post"]),
        _linked_row(taken, TAKEN_ON, spared=spared / uptake, people_at_least=least, uptake=uptake),
    ]
    if primary.headline.analysis != met.analysis and primary.headline.scale == met.scale:
        rows.insert(0, _linked_row(primary.headline, WHOLE_SITES))
    return pd.DataFrame([{"order": i, **row} for i, row in enumerate(rows, start=1)])


def _by_role(effect: Effect) -> dict[str, Estimate]:
    """The finite ratios of an effect over people who met the rule, by what they are about."""
    found: dict[str, Estimate] = {}
    for estimate in effect.estimates:
        role = estimate.facts.get("role")
        if role in ("itt", "referred") and estimate.finite and estimate.scale == "rate_ratio":
            found.setdefault(str(role), estimate)
    return found


def _linked_row(estimate: Estimate, whom: str, **more: object) -> dict[str, object]:
    return {
        "analysis": estimate.analysis,
        "whom": whom,
        "ratio": estimate.estimate,
        "conf_low": estimate.conf_low,
        "conf_high": estimate.conf_high,
        "change": abs(1 - estimate.estimate),
        "direction": estimate.direction,
        **more,
    }
