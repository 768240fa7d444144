"""A release as the pipeline makes one, from made-up but plausible tables: for tests of the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd

from aaot_eval.disclosure import control
from aaot_eval.monitoring import Monitoring, monitor
from aaot_eval.results import ESTIMATE_COLUMNS, Release
from aaot_eval.schema import table_schema
from tests.builders import site_panel

Variant = Literal["full", "cannot_tell", "harm", "sparse", "suppressed"]
VARIANTS: tuple[Variant, ...] = ("full", "cannot_tell", "harm", "sparse", "suppressed")
MONTHS = [str(p) for p in pd.period_range("2019-04", "2025-03", freq="M")]
START = {"Northfield": 42, "Eastmoor": 48}
OTHERS = ("Ashbourne", "Brackley", "Calderbrook", "Dunmore", "Elmhurst", "Fairleigh")
OUTCOME = "alcohol_specific_emergency"
SCALE: dict[str, float] = {"suppressed": 0.09}
PRICES = "invented"


def release(variant: Variant = "full", *, profile: str = "hes", **meta: Any) -> Release:
    """The released tables and facts of a made-up study."""
    tables = exact_tables(variant)
    if variant == "sparse":
        tables = {k: tables[k] for k in ("estimates", "headline", "limits")}
    return control(tables, facts(variant) | meta, profile=profile)


def effect(variant: Variant) -> tuple[float, float, float]:
    """Estimate and interval of the primary analysis."""
    return {"cannot_tell": (0.93, 0.74, 1.17), "sparse": (0.93, 0.74, 1.17), "suppressed": (0.93, 0.74, 1.17),
            "harm": (1.21, 1.06, 1.39)}.get(variant, (0.79, 0.68, 0.91))  # fmt: skip


def word(variant: Variant) -> str:
    """The verdict word."""
    return {"full": "lower", "harm": "higher"}.get(variant, "cannot_tell")


SENTENCES = {
    "lower": "Alcohol-specific emergency admissions were 21 % lower than expected without the service (95 % interval: 32 % lower "
    "to 9 % lower).",
    "higher": "Alcohol-specific emergency admissions were 21 % higher than expected without the service (95 % interval: 6 % "
    "higher to 39 % higher).",
    "cannot_tell": "This evaluation cannot tell whether alcohol-specific emergency admissions changed. It rules out a fall "
    "larger than 26 % and a rise larger than 17 %.",
}
NEXT = {
    "lower": "Keep the service under review with the same plan, and confirm the result when more months are in.",
    "higher": "Look into why admissions were higher before the service grows: people taken on, coding, and what else changed.",
    "cannot_tell": "Do not decide on this result alone. More sites, more months or more people would narrow it.",
}


def facts(variant: Variant) -> dict[str, Any]:
    """The facts of the run."""
    costed = variant != "sparse"
    return {
        "title": "Alcohol outreach at Northfield and Eastmoor",
        "name": "demo",
        "run_id": "2025-03_a1b2c3",
        "version": "0.1.0",
        "seed": 20260401,
        "engine": "duckdb",
        "config_hash": "5e1f" * 16,
        "data_cut": "2025-03",
        "first_period": "2019-04",
        "last_period": "2025-03",
        "period_kind": "month",
        "primary": {
            "analysis": "site_did",
            "outcome": OUTCOME,
            "outcome_title": "alcohol-specific emergency admissions",
            "estimand": "the average effect of the service on admissions in the sites that have it, from the start to the last month",
            "design": "sites",
            "reason": "2 of 8 units start the service and the others never do",
        },
        "verdict": {"word": word(variant), "sentence": SENTENCES[word(variant)], "reasons": ["The dip test found a small dip."]},
        "money": {"word": "cannot_tell", "sentence": MONEY} if costed else None,
        "price_year": "2024/25" if costed else None,
        "perspective": "provider" if costed else None,
        "invented_prices": costed,
        "monthly": dict(_monitoring(variant, SCALE.get(variant, 1.0)).facts),
        "artificial_data": True,
        "starts": [{"unit": u, "period": MONTHS[t]} for u, t in START.items()],
        "entry_rule": "4 admissions in 12 months",
        "smallest_effect": 0.10,
        "skipped": [{"stage": "patients and costs", "why": "the input is an aggregated panel: it holds no people"},
                    {"stage": "caseload", "why": "[caseload] is not in the config"}] if variant == "sparse" else [],
        "sources": [{"table": "admissions", "name": "extracts/apc_2024.csv", "rows": 48213, "sha256": "0123456789abcdef" * 4},
                    {"table": "caseload", "name": "caseload.csv", "rows": 163, "sha256": "fedcba9876543210" * 4}],
        "packages": {"pandas": "3.0.1", "numpy": "2.4.0", "duckdb": "2.0.0"},
    }  # fmt: skip


MONEY = (
    "The service costs £4,870 a patient-year. On the entry-rule comparison it averted £5,930 of hospital cost (95 % interval: "
    "-£1,210 to £13,070), so this evaluation cannot tell whether it saves or costs money."
)


def exact_tables(variant: Variant = "full") -> dict[str, pd.DataFrame]:
    """Every table of `data_schemas/release`, exact."""
    scale = SCALE.get(variant, 1.0)
    tables = {
        "headline": _headline(variant), "limits": _limits(), "estimates": _estimates(variant),
        "series": _series(variant, scale), "event_time": _event_time(variant), "checks": _checks(variant),
        "placebo": _placebo(variant), "regression_to_mean": _gauge(scale), "sites": _sites(scale),
        "caseload": _caseload(scale), "flow": _flow(scale), "rates": _rates(scale), "deaths": _deaths(scale), "survival": _survival(scale), "balance": _balance(scale),
        "linked_effects": _linked(variant, scale),
        "data_quality": _quality(scale), "fidelity": _fidelity(), "pooling": _pooling(), "specification_curve": _specifications(), **_costs(scale), **_outcome(),
        "control_chart": _monitoring(variant, scale).table,
    }  # fmt: skip
    there = {name: frame for name, frame in tables.items() if len(frame)}
    return {name: frame.reindex(columns=list(table_schema("release", name).names)) for name, frame in there.items()}


def _frame(columns: str, *rows: tuple[Any, ...]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=columns.split())


def _fidelity() -> pd.DataFrame:
    return _frame(
        "unit level n_met met not_met not_stated source estimator scale estimate conf_low conf_high",
        ("Northfield", "high", 5, "contact at least weekly", "", "support for 12 months", "survey, March 2026", "its",
         "rate_ratio", 0.81, 0.66, 0.99),
        ("Eastmoor", "low", 2, "contact at least weekly", "support for 12 months", "", "own view, 2026", "its",
         "rate_ratio", 0.94, 0.75, 1.18),
    )  # fmt: skip


def _specifications() -> pd.DataFrame:
    rows = [
        (
            "site_did",
            OUTCOME,
            method,
            phase,
            before,
            after,
            "in",
            round(0.76 + 0.02 * i, 2),
            round(0.01 + 0.01 * i, 2),
            i == 0,
        )
        for i, (method, phase, before, after) in enumerate(
            (m, p, b, "all") for m in ("mean of sites", "two-way coefficient") for p in (0, 3) for b in ("all", "24")
        )
    ]
    return _frame("analysis outcome method phase_in before after pandemic estimate p_value declared", *rows)


def _pooling() -> pd.DataFrame:
    columns = "analysis outcome kind unit scale estimate conf_low conf_high weight i2 tau tau_low tau_high status note"
    site = ("its", OUTCOME, "site")
    return _frame(
        columns,
        (*site, "Northfield", "rate_ratio", 0.81, 0.66, 0.99, 0.55, None, None, None, None, "ok", ""),
        (*site, "Eastmoor", "rate_ratio", 0.94, 0.75, 1.18, 0.45, None, None, None, None, "ok", ""),
        (
            *site,
            "Southbank",
            "rate_ratio",
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            "not_estimable",
            "Too few periods.",
        ),
        ("its", OUTCOME, "mean", "together", "rate_ratio", 0.85, 0.44, 1.65, None, 0.12, 0.021, 0.0, 0.75, "ok", ""),
        ("its", OUTCOME, "further site", "", "rate_ratio", 0.85, 0.31, 2.31, None, None, None, None, None, "ok", ""),
    )


def _headline(variant: Variant) -> pd.DataFrame:
    w = word(variant)
    costs = MONEY if variant != "sparse" else "No costs: the config has no [costs] table."
    return _frame(
        "order question sentence verdict",
        (1, "Did admissions fall compared with what would have happened anyway?", SENTENCES[w], w),
        (
            2,
            "How sure can we be?",
            "The least p this design can reach is 0.0179. 95 % interval by exact randomisation. 6 of 8 checks passed.",
            w,
        ),
        (3, "What does it cost or save?", costs, "cannot_tell"),
        (
            4,
            "What could make this wrong?",
            "The dip test found that the two sites had an unusually bad year just before the start.",
            w,
        ),
        (5, "What should happen next?", NEXT[w], w),
    )


def _limits() -> pd.DataFrame:
    return _frame(
        "order kind text",
        (1, "always", "Only admissions inside the extract are seen; care in other hospitals is not."),
        (2, "always", "Counts rest on how alcohol was coded; a change in coding looks like a change in admissions."),
        (
            3,
            "design",
            "Sites chose to have the service; the comparison assumes that they would have moved like the others.",
        ),
        (
            4,
            "costs",
            "A saving is the value of resources, at the stated prices and perspective; it is not cash released.",
        ),
        (5, "check", "The dip test found that the two sites had an unusually bad year just before the start."),
        (6, "data", "Months left out at the end: the last months are not complete yet and would look like a fall."),
    )


def _estimate(**values: Any) -> dict[str, Any]:
    base = dict.fromkeys(ESTIMATE_COLUMNS) | {
        "unit": "", "outcome": OUTCOME, "scale": "rate_ratio", "std_error": 0.07, "conf_level": 0.95, "status": "ok",
        "primary": False, "note": "", "n_periods": 72, "estimand": "the average effect in the sites that have the service",
    }  # fmt: skip
    return base | values


def _estimates(variant: Variant) -> pd.DataFrame:
    est, low, high = effect(variant)
    its = {"design": "series", "estimator": "its", "conf_method": "satterthwaite_t", "n_units": 1, "n_treated": 1}
    rows = [
        _estimate(analysis="site_did", design="sites", estimator="site_did", estimate=est, conf_low=low, conf_high=high,
                  conf_method="randomisation", p_value=0.5357 if low < 1 < high else 0.0357, p_least=0.0179, n_units=8, n_treated=2,
                  n_obs=576, primary=True,
                  inference="exact randomisation over 56 assignments of the start dates"),
        _estimate(analysis="two_way", design="sites", estimator="two_way", estimate=est * 1.02, conf_low=low * 1.06,
                  conf_high=high * 0.98, conf_method="wald_t", p_value=0.008, n_units=8, n_treated=2, note="a foil: too few sites for it"),
        _estimate(analysis="its", unit="Northfield", estimate=est * 0.97, conf_low=low * 0.93, conf_high=high * 1.08, p_value=0.04, **its),
        _estimate(analysis="its", unit="Eastmoor", estimate=est * 1.06, conf_low=low * 0.96, conf_high=high * 1.22, p_value=0.21, **its),
        _estimate(analysis="its_newey_west", unit="Northfield", estimate=est * 0.98, conf_low=low * 0.95, conf_high=high * 1.04, p_value=0.01,
                  **{**its, "conf_method": "wald_t"}, note="sensitivity: Newey-West, lag 3"),
        _estimate(analysis="entry_rule", design="entry_rule", estimator="entry_rule", estimate=0.94, conf_low=0.81, conf_high=1.09,
                  conf_method="randomisation", p_value=0.36, p_least=0.0179, n_people=2314, n_units=8, n_treated=2),
        _estimate(analysis="site_did_ed", design="sites", estimator="site_did", outcome="ed_attendances", estimate=1.08, conf_low=0.97,
                  conf_high=1.21, conf_method="randomisation", p_value=0.16, p_least=0.0179, n_units=8, n_treated=2),
        _estimate(analysis="site_did_bed_days", design="sites", estimator="site_did", outcome="bed_days", estimate=0.88,
                  conf_method="none", p_least=0.0179, n_units=8, n_treated=2, status="no_finite_interval",
                  note="the interval has no end on the lower side"),
        _estimate(analysis="entry_rule_cost", design="entry_rule", estimator="entry_rule", outcome="hospital_cost", scale="currency",
                  estimate=-1830.0, conf_low=-4100.0, conf_high=430.0, conf_method="randomisation", p_value=0.11, n_people=2314),
    ]  # fmt: skip
    return pd.DataFrame(rows if variant != "sparse" else rows[:3], columns=list(ESTIMATE_COLUMNS))


def _one_series(analysis: str, unit: str, level: float, start: int | None, change: float, salt: int) -> pd.DataFrame:
    rng = np.random.default_rng([7, salt])
    t = np.arange(len(MONTHS))
    base = level * np.exp(0.0022 * t + 0.09 * np.sin(2 * np.pi * (t + 2) / 12))
    after = t >= (start if start is not None else len(t))
    observed = rng.poisson(base * np.where(after, change, 1.0)).astype(float)
    phase = np.where(after, "after", "before").astype(object)
    if start is not None:
        phase[start : start + 2] = "left_out"
        phase[-1] = "partial"
    expected = np.where(after, base, np.nan)
    frame = pd.DataFrame(
        {"analysis": analysis, "unit": unit, "outcome": OUTCOME, "t": t, "period": MONTHS, "phase": phase}
    )
    wide = 1.96 * np.sqrt(base + (0.07 * base) ** 2)
    return frame.assign(
        persons=np.ceil(observed * 0.8), observed=observed, exposure=20_000.0, fitted=base * np.where(after, change, 1.0),
        expected=expected, expected_low=np.maximum(expected - wide, 0), expected_high=expected + wide,
    )  # fmt: skip


def _series(variant: Variant, scale: float) -> pd.DataFrame:
    change = effect(variant)[0]
    return pd.concat(
        [
            _one_series("site_did", "treated", 61.3 * scale, 42, change, 1),
            _one_series("site_did", "comparison", 52.6 * scale, None, 1.0, 2),
            _one_series("its", "Northfield", 68.0 * scale, START["Northfield"], change, 3),
            _one_series("its", "Eastmoor", 51.0 * scale, START["Eastmoor"], change * 1.05, 4),
        ],
        ignore_index=True,
    )


def _monitoring(variant: Variant, scale: float) -> Monitoring:
    series = _series(variant, scale)
    counts = np.array([series.loc[series["unit"] == unit, "observed"].to_numpy() for unit in START])
    return monitor(site_panel({OUTCOME: counts}, list(START.values()), units=list(START), first=MONTHS[0]), OUTCOME)


def _event_time(variant: Variant) -> pd.DataFrame:
    rng, change = np.random.default_rng(11), effect(variant)[0]
    rows = []
    for e in range(-18, 25, 3):
        ratio = (change if e >= 0 else 1.0) * float(np.exp(rng.normal(0, 0.05)))
        wide = float(np.exp(0.13))
        reference = e == -3
        rows.append(("site_did", e, 1.0 if reference else ratio, None if reference else ratio / wide,
                     None if reference else ratio * wide, 2))  # fmt: skip
    return _frame("analysis event_time ratio conf_low conf_high n_units", *rows)


def _checks(variant: Variant) -> pd.DataFrame:
    fails = variant not in ("full", "harm")
    return _frame(
        "analysis check verdict value_name statistic p_value threshold sentence",
        ("site_did", "pre_trend", "pass", "difference in trend a year", 0.012, 0.62, "p above 0.05", "Trends before the start were alike."),
        ("site_did", "dip_test", "fail" if fails else "warn", "dip", 1.14, 0.03, "p above 0.05",
         "The dip test found that the two sites had an unusually bad year just before the start."),
        ("site_did", "placebo_dates", "pass", "rank of the real date", 1.0, 0.036, "p below 0.05", "No made-up date gives as large an effect."),
        ("site_did", "other_outcome", "pass", "rate ratio", 1.01, 0.81, "interval includes 1", "Admissions not due to alcohol did not change."),
        ("site_did", "leave_one_out", "pass", "largest change", 0.04, None, "below 0.10", "No comparison site alone carries the result."),
        ("site_did", "late_coding", "not_evaluable", "share uncoded", None, None, "below 0.05", "The extract has no earlier version to compare."),
    )  # fmt: skip


def _placebo(variant: Variant) -> pd.DataFrame:
    rng, est = np.random.default_rng(3), effect(variant)[0]
    dates = [("site_did", "date", m, float(np.exp(rng.normal(0, 0.06))), None, None, False) for m in MONTHS[12:40:2]]
    dates.append(("site_did", "date", MONTHS[42], est, None, 0.036, True))
    sites = [("site_did", "assignment", str(i + 1), None, float(rng.normal(0, 1)), None, False) for i in range(330)]
    sites.append(("site_did", "assignment", "real", None, -2.1 if est < 1 else 2.1, 0.036, True))
    return _frame("analysis kind label ratio statistic p_value real", *dates, *sites)


def _gauge(scale: float) -> pd.DataFrame:
    n = max(round(163 * scale), 3)
    return _frame(
        "order what label people rate rate_low rate_high",
        (1, "before", "Year before referral", n, 5.412, None, None),
        (2, "expected", "Year after, expected with no service", n, 2.871, 2.55, 3.24),
        (3, "observed", "Year after, observed", n, 2.633, None, None),
    )


def _sites(scale: float) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    rows = []
    for unit in (*START, *OTHERS):
        population = float(np.round(rng.uniform(180_000, 420_000), -2))
        rate = float(rng.uniform(230, 340)) + (50 if unit in START else 0)
        count = round(rate * population * 3.5 / 1e5 * scale)
        rows.append((unit, "treated" if unit in START else "comparison", MONTHS[START[unit]] if unit in START else None, population,
                     round(count * 0.6), float(count), count / (population * 3.5) * 1e5, float(rng.normal(0.02, 0.03))))  # fmt: skip
    return _frame("unit role start population persons before_count before_rate trend_per_year", *rows)


def _caseload(scale: float) -> pd.DataFrame:
    def n(count: int) -> int:
        return round(count * scale)

    return _frame(
        "unit referred linked deaths person_years",
        ("all", n(163), n(158), n(14), 241.7 * scale),
        ("Eastmoor", n(68), n(66), n(4), 88.1 * scale),
        ("Northfield", n(95), n(92), n(10), 153.6 * scale),
    )


def _flow(scale: float) -> pd.DataFrame:
    return _frame(
        "order table step kept_people lost_people kept lost reason",
        (1, "episodes", "read", 9120, 0, 48213, 0, ""),
        (2, "episodes", "finished, with a person and a date", 9105, 15, 48102, 111, "unfinished, or no person or date"),
        (3, "episodes", "each episode once", 9105, 0, 47880, 222, "loaded twice; the last load is kept"),
        (4, "stays", "joined to stays", 9105, 0, 39214, 8666, "episodes of one stay"),
        (
            5,
            "caseload",
            "found in the extract",
            round(158 * scale),
            round(5 * scale),
            round(158 * scale),
            round(5 * scale),
            "no record",
        ),
    )


def _rates(scale: float) -> pd.DataFrame:
    rows = []
    for arm, era, people, events in (("hospitals with the service", "before launch", 402, 1241), ("hospitals with the service", "after launch", 377, 981),
                                     ("comparison hospitals", "before launch", 801, 2390), ("comparison hospitals", "after launch", 734, 2066)):  # fmt: skip
        people, events = round(people * scale), round(events * scale)
        for name in (arm, f"{arm}, launch 2022-10"):
            rows.append(
                ("entry_rule", OUTCOME, name, era, people, float(events), people * 0.94, events / (people * 0.94))
            )
        pounds = events * 2_950.0
        rows.append(
            ("entry_rule_cost", "hospital_cost", arm, era, people, pounds, people * 0.94, pounds / (people * 0.94))
        )
    return _frame("analysis outcome arm era people events person_years rate", *rows)


def _survival(scale: float) -> pd.DataFrame:
    rows = []
    for arm, people in (("treated", round(377 * scale)), ("comparison", round(2900 * scale))):
        for months, dead, mean in ((0, 0.0, 0.0), (6, 0.04, 1.4), (12, 0.08, 2.6)):
            rows.append(("entry_rule", arm, "after", months, people, round(people * dead), people * dead, dead, dead * 0.7, dead * 1.4, people * mean, mean,
                         mean * 0.9, mean * 1.1))  # fmt: skip
    return _frame(
        "analysis arm era months people died deaths dead dead_low dead_high admissions mean mean_low mean_high", *rows
    )


def _balance(scale: float) -> pd.DataFrame:
    rows = [("risk_set", i + 1, f"admissions, month {i + 1} before", round(280 * scale), round(1400 * scale), 0.8, 0.6, 0.8, 0.2 - 0.1 * i, 0.0)
            for i in range(3)]  # fmt: skip
    return _frame(
        "analysis order characteristic people people_compared mean_referred mean_unweighted mean_weighted difference_before difference_after",
        *rows,
    )


def _linked(variant: Variant, scale: float) -> pd.DataFrame:
    """The effects over sites, over people who met the rule and over those taken on; the last two hang together by uptake."""
    ratio, low, high = effect(variant)
    direction = {"lower": "lower", "higher": "higher"}.get(word(variant), "unclear")
    uptake, spared = 0.55, 1.1 * (1 / ratio - 1)
    rows = [
        (
            1,
            "site_did",
            "all admissions of the sites with the service",
            ratio,
            low,
            high,
            abs(1 - ratio),
            direction,
            None,
            None,
            None,
        ),
        (
            2,
            "entry_rule",
            "those of people who newly met the entry rule",
            ratio,
            low,
            high,
            abs(1 - ratio),
            direction,
            None,
            spared,
            377 * scale,
        ),
        (
            3,
            "entry_rule",
            "those of people taken on",
            ratio,
            low,
            high,
            abs(1 - ratio),
            direction,
            uptake,
            spared / uptake,
            180 * scale,
        ),
    ]
    names = "order analysis whom ratio conf_low conf_high change direction uptake spared people_at_least"
    return _frame(names, *rows)


def _deaths(scale: float) -> pd.DataFrame:
    rows = []
    for arm, era, people, deaths in (("hospitals with the service", "before launch", 402, 31), ("hospitals with the service", "after launch", 377, 28),
                                     ("comparison hospitals", "before launch", 801, 66), ("comparison hospitals", "after launch", 734, 59)):  # fmt: skip
        people, deaths = round(people * scale), round(deaths * scale)
        rows.append(("entry_rule", arm, era, people, deaths, people * 0.94, 100 * deaths / (people * 0.94)))
    return _frame("analysis arm era people deaths person_years rate", *rows)


def _quality(scale: float) -> pd.DataFrame:
    return _frame(
        "code level title where people records why do",
        ("D312", "warn", "Primary diagnosis missing or unknown (R69X)", "Eastmoor, 2025-02", round(41 * scale), round(47 * scale),
         "Uncoded episodes hide alcohol admissions, most of all in late months.", "Wait for the coded file, or leave those months out."),
        ("D309", "warn", "Months left out at the end", "2025-04", None, None,
         "The last months are not complete yet and would look like a fall.", "Rerun when the months are complete."),
        ("D303", "note", "Repeated episodes", "extracts/apc_2024.csv", 209, 222, "The same episode loaded twice must not count twice.", "Nothing."),
    )  # fmt: skip


def _costs(scale: float) -> dict[str, pd.DataFrame]:
    people = round(163 * scale)
    service = _frame(
        "order item kind wte annual_cost per_patient_year price_year source",
        (1, "Nurse, band 7", "staff", 1.0, 68_400.0, 1_140.0, "2024/25", PRICES),
        (2, "Outreach workers, band 5", "staff", 2.6, 121_300.0, 2_022.0, "2024/25", PRICES),
        (3, "Psychiatrist, one session a week", "staff", 0.1, 17_900.0, 298.0, "2024/25", PRICES),
        (4, "Travel, phones and client fund", "non_pay", None, 21_600.0, 360.0, "2024/25", PRICES),
        (5, "Overheads", "overheads", None, 57_300.0, 955.0, "2024/25", PRICES),
        (6, "Setting up, over five years", "set_up", None, 5_700.0, 95.0, "2024/25", PRICES),
        (7, "Total", "total", 3.7, 292_200.0, 4_870.0, "2024/25", PRICES),
    )
    waterfall = _frame(
        "order step kind people observed amount low high",
        (1, "Care as usual", "level", people, 18_400.0, 24_310.0, None, None),
        (2, "Alcohol admissions", "down", people, 0.0, -4_720.0, None, None),
        (3, "Other admissions", "down", people, 0.0, -1_430.0, None, None),
        (4, "Emergency attendances", "up", people, 0.0, 220.0, None, None),
        (5, "The service", "up", None, 0.0, 4_870.0, None, None),
        (6, "With AAOT", "total", people, 18_400.0, 23_250.0, 16_100.0, 30_390.0),
    )
    saving = _frame(
        "rung design analysis headline gross gross_low gross_high programme_cost saving saving_low saving_high p_saving conf_method "
        "status label",
        (2, "entry_rule", "entry_rule_cost", True, 5_930.0, -1_210.0, 13_070.0, 4_870.0, 1_060.0, -6_080.0, 8_200.0, 0.62,
         "randomisation", "ok", "Value of resources, not cash."),
        (3, "sites", "site_did_cost", False, 6_480.0, -400.0, 13_360.0, 4_870.0, 1_610.0, -5_270.0, 8_490.0, 0.68, "randomisation", "ok",
         "Divided by the patient-years delivered."),
        (5, "series", "its", False, 7_020.0, 900.0, 13_140.0, 4_870.0, None, None, None, None, "satterthwaite_t", "no saving stated",
         "Without a comparison only averted activity is shown."),
    )  # fmt: skip
    groups = _frame(
        "group people person_years expected_cost observed_cost",
        ("1 (lowest expected cost)", round(41 * scale), 39.2 * scale, 9_120.0, 10_040.0),
        ("2", round(41 * scale), 38.8 * scale, 16_480.0, 15_310.0),
        ("3", round(41 * scale), 37.9 * scale, 25_300.0, 21_700.0),
        ("4 (highest expected cost)", round(40 * scale), 36.1 * scale, 46_900.0, 38_800.0),
    )
    prices = _frame(
        "item unit value std_error input_value price_year perspective source",
        ("emergency_short_stay", "stay", 812.4, 40.0, 790.0, "2023/24", "provider", PRICES),
        ("emergency_long_stay", "stay", 3_504.1, 175.0, 3_410.0, "2023/24", "provider", PRICES),
        ("ed_attendance", "attendance", 236.3, 12.0, 230.0, "2023/24", "provider", PRICES),
    )
    return {"service_cost": service, "cost_waterfall": waterfall, "saving": saving, "patient_groups": groups, "unit_costs": prices,
            **_more_costs(people)}  # fmt: skip


def _more_costs(people: int) -> dict[str, pd.DataFrame]:
    lines = _frame(
        "order line amount low high unit note",
        (
            1,
            "Cash released",
            None,
            None,
            None,
            "pounds",
            "Not estimated. Cash is released only when beds close or agency shifts end.",
        ),
        (
            2,
            "Capacity released",
            6.2,
            -2.1,
            14.5,
            "bed days",
            "Beds for other patients; worth something only when they are used.",
        ),
        (
            3,
            "Value of resources, net of the service",
            1_060.0,
            -6_080.0,
            8_200.0,
            "pounds",
            "Not cash, and not to be added to the others.",
        ),
    )
    break_even = _frame(
        "order quantity unit now now_low now_high break_even low high status",
        (1, "Cost of the service", "pounds per patient-year", 4_870.0, None, None, 5_930.0, 900.0, 13_070.0, "ok"),
        (
            2,
            "Places of the team",
            "places",
            60.0,
            None,
            None,
            49.3,
            22.4,
            None,
            "not reachable at one end of the interval",
        ),
        (3, "Fall in the hospital cost of care as usual", "share", 0.244, 0.046, 0.411, 0.200, 0.151, 0.262, "ok"),
        (4, "Admissions to avert at their mean price", "per patient-year", None, None, None, 1.61, None, None, "ok"),
    )
    ranges = _frame(
        "order parameter item unit low_input high_input saving_at_low saving_at_high swing",
        (1, "effect", "", "ratio or difference", 0.81, 1.09, 8_200.0, -6_080.0, 14_280.0),
        (2, "places", "", "places", 45.0, 75.0, -560.0, 2_030.0, 2_590.0),
        (3, "unit costs", "", "times the prices used", 0.9, 1.1, 470.0, 1_650.0, 1_180.0),
        (4, "occupancy", "", "share in use", 0.8, 0.95, 700.0, 1_300.0, 600.0),
    )
    budget = _frame(
        "order scenario year payer patient_years service_cost cash_released income_lost net_cost net_low net_high bed_days_released "
        "value_of_resources value_low value_high status",
        *[
            (6 * k + 3 * y + p + 1, scenario, y + 1, payer, 51.0, cost if payer != "provider" else 0.0, cash, lost, net, net, net,
             316.0 if payer == "system" else None, value, None if value is None else -61_710.0, None if value is None else 666_570.0,
             "ok" if payer != "commissioner" else "not entered: activity_paid_share in [costs.budget]")
            for k, scenario in enumerate(("ends", "wanes", "lasts"))
            for y, cost in enumerate((315_000.0, 286_500.0))
            for p, (payer, cash, lost, net, value) in enumerate((
                ("commissioner", None, None, None, None), ("provider", 90_729.0, 0.0, -90_729.0, None), ("system", None, None, None, 302_430.0)))
        ],
    )  # fmt: skip
    persistence = _frame(
        "order scenario years undiscounted discounted low high discount_rate assumption",
        (1, "ends", 2, 1_060.0, 1_060.0, -6_080.0, 8_200.0, 0.035, "assumption: the effect ends with the year on the caseload"),
        (2, "lasts", 2, 6_990.0, 6_789.0, -7_249.0, 20_828.0, 0.035, "assumption: the effect stays as large in every later year"),
    )  # fmt: skip
    solving = _frame(
        "order target fall fall_from programme_cost usual_cost_needed unit_cost admissions_needed note",
        (1, 10_470.0, 0.23, "a published fall", 0.0, 45_520.0, 2_950.0, 15.4, "one of many combinations; not a reproduction"),
        (2, 10_470.0, 0.669, "a published fall without a control", 4_870.0, 22_930.0, 2_950.0, 7.77, "one of many combinations; not a reproduction"),
    )  # fmt: skip
    items = _frame(
        "order item kind people patient_years quantity unit cost",
        (1, "emergency_long_stay", "unplanned", round(0.6 * people), 1.1 * people, 4.1, "stay", 14_300.0),
        (2, "outpatient_attendance", "planned", round(0.8 * people), 1.1 * people, 6.2, "attendance", 990.0),
        (3, "all care", "total", people, None, None, "", 15_290.0),
    )  # fmt: skip
    service_check = _frame(
        "order measure people stated seen unit note",
        (1, "Bottom-up cost", people, 4_870.0, 5_120.0, "pounds per patient-year", "team cost over patient-years"),
        (2, "Top-down over bottom-up", people, 1.12, 1.18, "ratio", "1 = both agree"),
    )
    unpriced = _frame(
        "hrg delivery people spells share treatment",
        ("AA22C", "emergency", people, 212, 0.021, "mean price of the priced stays of the same kind"),
    )
    averted = _frame(
        "analysis design outcome unit averted averted_low averted_high people patient_years per_patient_year "
        "per_patient_year_low per_patient_year_high status label",
        ("site_did", "sites", OUTCOME, "", 322.4, 120.1, 571.9, people, 241.7, 1.33, 0.50, 2.37, "ok",
         "from hospitals with and without the service, averted admissions shared over the patient-years on the caseload"),
        ("its", "series", OUTCOME, "Northfield", 210.7, 22.8, 431.0, people, 153.6, 1.37, 0.15, 2.81, "ok",
         "averted activity only: a series without a control carries no saving"),
    )  # fmt: skip
    observed, model = "observed cost of the referred", "averted hospital cost"
    sensitivity = _frame(
        "order part method unit estimate std_error low high people status note",
        (1, observed, "Zhao-Tian", "pounds per patient over 12 months", 9_120.0, 640.0, 7_870.0, 10_400.0, people, "ok",
         "weighted for follow-up that ends early, the costs of those cut short included"),
        (2, observed, "Everybody, as far as seen", "pounds per patient over 12 months", 8_010.0, 560.0, 6_910.0, 9_110.0, people, "ok",
         "too low: what lies beyond the end of follow-up counts as nothing"),
        (3, model, "Gamma model, log link", "pounds per patient-year", None, None, None, None, None, "not_estimable",
         "not worked out: a comparison of sites has no person in its arms"),
    )  # fmt: skip
    deciding = {"budget_impact": budget, "persistence": persistence, "solve_for": solving, "cost_items": items,
                "service_check": service_check, "unpriced": unpriced}  # fmt: skip
    return {**deciding, "benefit_lines": lines, "break_even": break_even, "cost_ranges": ranges, "averted_activity": averted,
            "cost_sensitivity": sensitivity}  # fmt: skip


def changed(base: Release, tables: Mapping[str, pd.DataFrame | None], **meta: Any) -> Release:
    """The release with some tables replaced (None: taken out) and some facts changed."""
    kept = {k: v for k, v in {**base.tables, **tables}.items() if v is not None}
    return Release(tables=kept, meta={**base.meta, **meta}, hidden=base.hidden, profile=base.profile)


def _outcome() -> dict[str, pd.DataFrame]:
    """Cost against outcome of the entry-rule comparison, as if days alive had been asked for with one value set."""
    turn = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    outlines = [
        (
            "contour",
            f"{100 * share:.0f} % of draws",
            share,
            5.0 + 4.0 * r * np.cos(a),
            -1_060.0 + 3_600.0 * r * np.sin(a),
        )
        for share, r in ((0.5, 1.2), (0.95, 2.4))
        for a in turn
    ]
    quadrants = (("costs less, better outcome", 0.57), ("costs more, better outcome", 0.33),
                 ("costs less, worse outcome", 0.05), ("costs more, worse outcome", 0.05))  # fmt: skip
    plane = [
        *[("quadrant", name, share, None, None) for name, share in quadrants],
        ("estimate", "estimate", None, 5.0, -1_060.0),
        *outlines,
    ]
    worth = [float(v) for v in range(0, 420, 20)]
    likely = [0.62 + 0.25 * (1 - np.exp(-v / 150)) for v in worth]
    return {
        "cost_effectiveness": _frame(
            "outcome unit effect effect_low effect_high cost cost_low cost_high ratio place words basis status label",
            ("alive_day", "day alive gained", 5.0, -3.0, 13.0, -1_060.0, -8_200.0, 6_080.0, None, "dominant",
             "at the estimates dominant: costs less with a better outcome, so there is no ratio; 57 % of draws lie there",
             "entry_rule_deaths", "ok", "drawn in the same worlds as the saving"),
        ),
        "net_benefit": _frame(
            "order threshold net_benefit net_low net_high p_aaot expected_loss evpi choice reading",
            (1, 200.0, 2_060.0, -6_680.0, 10_800.0, likely[10], 640.0, 640.0, "AAOT", "cannot tell"),
        ),
        "acceptability": _frame(
            "order threshold p_usual p_aaot frontier p_frontier evpi",
            *[(i + 1, v, 1 - p, p, "AAOT", p, 900.0 - v) for i, (v, p) in enumerate(zip(worth, likely, strict=True))],
        ),
        "ce_plane": _frame("order kind name share effect cost", *[(i + 1, *row) for i, row in enumerate(plane)]),
        "value_of_information": _frame(
            "order threshold parameter evppi share_of_evpi",
            (1, 200.0, "effect", 590.0, 0.92),
            (2, 200.0, "unit costs", 0.0, 0.0),
            (3, 200.0, "cost of the service", 4.0, 0.01),
            (4, 200.0, "everything", 640.0, 1.0),
        ),
        "utilities_answered": _frame(
            "order arm day answered",
            (1, "care as usual", 0.0, "all"),
            (2, "care as usual", 365.0, "over four fifths"),
            (3, "AAOT", 0.0, "all"),
            (4, "AAOT", 365.0, "half to four fifths"),
        ),
        "qaly_assumptions": _frame(
            "order assumption threshold effect effect_low effect_high net_benefit used",
            (1, "people with every assessment", 20_000.0, 0.04, -0.01, 0.09, 1_860.0, "no"),
            (2, "imputed, missing at random", 20_000.0, 0.03, -0.03, 0.09, 1_660.0, "yes"),
            (3, "imputed, 0.05 lower than at random, AAOT only", 20_000.0, 0.01, -0.05, 0.07, 1_260.0, "no"),
        ),
    }  # fmt: skip
