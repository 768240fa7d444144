"""What a stay, an attendance and other care cost: chooses and parametrises the pricing steps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from aaot_eval.config import CostsConfig, QualityConfig
from aaot_eval.engine import Engine
from aaot_eval.errors import InputError, Problem
from aaot_eval.findings import Finding
from aaot_eval.results import Tables

#: The step that prices stays on each basis.
STEP_OF_BASIS = {
    "bed_day_and_stay": "stay_prices_found",
    "marginal": "stay_prices_found",
    "bed_day": "stay_prices_found_bed_day",
    "tariff": "stay_prices_found_tariff",
}
#: So many unpriced codes are named in a refusal; the others are counted as codes.
MOST_NAMED = 20


def price_stays(
    tables: Tables, prices: pd.DataFrame, costs: CostsConfig | None = None, quality: QualityConfig | None = None
) -> Tables:
    """The tables with a price for every stay and attendance, on the basis of [costs].

    `prices` has `item` and `value` (one price year, one currency), for the basis `tariff` also `delivery`, `trim_days` and
    `excess_day` in the rows of an HRG. Adds `stay_prices` (stay, item, price), `attendance_prices`, `prices`,
    `index_stays` and, with unpriced stays that are listed, `unpriced`. Raises InputError naming every item and HRG that the
    data need and that has no price (P425, C183), with the share of spells without one by point of delivery: nothing unpriced costs
    0. Where they are listed instead, that share is a warning (D391) above the limit in `quality`.
    """
    engine, quality = tables.engine, quality or QualityConfig()
    basis = costs.basis if costs else "bed_day_and_stay"
    value = _items(engine, prices)
    if basis == "tariff":
        engine.run("leg_prices")
    step = STEP_OF_BASIS[basis]
    engine.run(step, **({"excess_day": value.get("emergency_excess_day", 0.0)} if step == "stay_prices_found" else {}))
    engine.run("attendance_prices")
    problems, listed = _without_price(engine, basis, costs.unpriced if costs else "stop", quality)
    problems += _care_without_price(tables, value)
    if problems:
        raise InputError(*problems)
    engine.run("stay_prices", listed=int(listed))
    engine.run("index_stays", left_out=int(costs is not None and costs.index_admission == "left_out"))
    names = {"stay_prices": "stay_prices", "prices": "prices", **({"unpriced": "leg_prices"} if listed else {})}
    findings = _coverage_findings(engine, quality.limit("D391")) if listed else []
    return replace(tables, names={**tables.names, **names}, findings=(*tables.findings, *findings))


def _items(engine: Engine, prices: pd.DataFrame) -> dict[str, float]:
    """Brings the prices in; the items that are no HRG by name."""
    prices = prices.reindex(columns=["item", "value", "delivery", "trim_days", "excess_day"])
    grouped = prices["delivery"].astype("string").fillna("") != ""
    plain = prices[~grouped & np.isfinite(prices["value"].astype(float))]
    value = {str(i): float(v) for i, v in zip(plain["item"], plain["value"], strict=True)}
    engine.put("prices", pd.DataFrame({"item": pd.array(list(value), dtype="string"), "value": list(value.values())}))
    hrg = prices[grouped]
    engine.put(
        "hrg_prices",
        pd.DataFrame(
            {
                "hrg": pd.array(list(hrg["item"]), dtype="string"),
                "delivery": pd.array(list(hrg["delivery"]), dtype="string"),
                **{c: hrg[c].to_numpy(dtype=float, na_value=np.nan) for c in ("value", "trim_days", "excess_day")},
            }
        ).astype({"trim_days": "Float64", "excess_day": "Float64"}),
    )
    return value


def _without_price(engine: Engine, basis: str, unpriced: str, quality: QualityConfig) -> tuple[list[Problem], bool]:
    """The refusals of stays without a price, and whether some are listed instead."""
    missing = [
        str(r[0]) for r in engine.rows("SELECT DISTINCT item FROM stay_prices_found WHERE price IS NULL ORDER BY item")
    ]
    if not missing:
        return [], False
    if basis != "tariff":
        return [_no_price(missing)], False
    codes = [
        f"{hrg or 'no HRG'} ({delivery})"
        for hrg, delivery in engine.rows(
            "SELECT DISTINCT hrg, delivery FROM leg_prices WHERE price IS NULL ORDER BY hrg, delivery"
        )
    ]
    named = ", ".join(codes[:MOST_NAMED]) + (f" and {len(codes) - MOST_NAMED} more" if len(codes) > MOST_NAMED else "")
    day_case = " A day case is never priced as an inpatient spell." if any("(day_case)" in c for c in codes) else ""
    if unpriced == "stop":
        what = f"there is no price for: {named}.{day_case}"
        do = 'add these HRGs; or list them with [costs] unpriced = "list": a spell without a price never costs 0'
        return [Problem("C183", what, where=f"costs.unit_costs; {_coverage_words(engine)}", do=do)], False
    gone, stays = engine.rows("SELECT sum(CASE WHEN price IS NULL THEN 1 ELSE 0 END), count(*) FROM stay_prices_found")[
        0
    ]
    bare = [
        str(r[0])
        for r in engine.rows("SELECT item FROM stay_prices_found GROUP BY item HAVING count(price) = 0 ORDER BY item")
    ]
    most = quality.limit("C183")
    if bare or gone > most * stays:
        why = f"no {' and no '.join(bare)} has a price" if bare else f"over {100 * most:g} % of stays have no price"
        what = f"{why}, so the unpriced cannot take the mean of their kind; without a price: {named}.{day_case}"
        where = f"costs.unit_costs; {_coverage_words(engine)}"
        return [Problem("C183", what, where=where, do="add prices for these HRGs")], False
    return [], True


def _coverage(engine: Engine) -> list[tuple[str, int, int, int]]:
    """By point of delivery: spells, those without a price, and the people of these."""
    found = engine.rows(
        """SELECT delivery, count(*), sum(CASE WHEN price IS NULL THEN 1 ELSE 0 END),
        count(DISTINCT CASE WHEN price IS NULL THEN person END) FROM leg_prices GROUP BY delivery ORDER BY delivery"""
    )
    return [(str(d), int(n), int(gone), int(people)) for d, n, gone, people in found]


def _coverage_words(engine: Engine) -> str:
    """Shares in steps of five per cent: a finer one would give a few spells away."""
    shares = [f"{d.replace('_', ' ')} {_coarse(gone / n)}" for d, n, gone, _ in _coverage(engine)]
    return f"spells without a price: {', '.join(shares)}"


def _coarse(share: float) -> str:
    return "none" if share == 0 else "under 5 %" if share < 0.05 else f"about {5 * round(20 * share)} %"


def _coverage_findings(engine: Engine, limit: float) -> list[Finding]:
    return [
        Finding(
            "D391",
            where=d.replace("_", " "),
            records=gone,
            people=people,
            detail=f"{_coarse(gone / n)} of these spells",
        )
        for d, n, gone, people in _coverage(engine)
        if gone > limit * n
    ]


def _care_without_price(tables: Tables, value: dict[str, float]) -> list[Problem]:
    """Attendances and other care that the data hold and the prices do not."""
    engine, missing = tables.engine, []
    if tables.has("attendances"):
        missing += [
            str(r[0])
            for r in engine.rows("SELECT DISTINCT item FROM attendance_prices WHERE price IS NULL ORDER BY item")
        ]
    if tables.has("activity"):
        seen = [str(r[0]) for r in engine.rows("SELECT DISTINCT item FROM activity ORDER BY item")]
        missing += [item for item in seen if item not in value]
    return [_no_price(missing)] if missing else []


def _no_price(missing: list[str]) -> Problem:
    day_case = "; a day case is never priced as an inpatient stay" if "day_case" in missing else ""
    return Problem(
        "P425",
        f"there is no price for: {', '.join(missing)}",
        where="costs.unit_costs",
        do=f"add these items: a stay or attendance without a price never costs 0{day_case}",
    )


def unpriced_table(tables: Tables) -> pd.DataFrame:
    """The release table `unpriced`: spells that had no price, by HRG and point of delivery, with their share of all spells.

    No rows unless unpriced stays are listed.
    """
    columns = ["hrg", "delivery", "people", "spells", "share", "treatment"]
    if not tables.has("unpriced"):
        return pd.DataFrame(columns=columns)
    found = tables.engine.frame(
        """SELECT coalesce(hrg, 'none') AS hrg, delivery, count(DISTINCT person) AS people, count(*) AS spells
        FROM leg_prices WHERE price IS NULL GROUP BY hrg, delivery ORDER BY hrg, delivery"""
    )
    total = int(tables.engine.rows("SELECT count(*) FROM leg_prices")[0][0])
    found["share"] = found["spells"] / total
    found["treatment"] = "mean price of the priced stays of the same kind"
    return found[columns]


def price_people(tables: Tables, window: dict[str, Any]) -> None:
    """Makes `person_costs` and `item_costs` of the people of the panel; `price_stays` and `share_stays` ran before."""
    tables.engine.run("priced_care", **window)
    for step in ("person_costs", "item_costs"):
        tables.engine.run(step)


def share_stays(tables: Tables, periods: pd.DataFrame, costs: CostsConfig | None) -> None:
    """Makes `stay_shares`: which share of a stay's price belongs to which month; `counted_stays` is there."""
    engine = tables.engine
    if costs is None or costs.long_stays == "admission":
        engine.run("stay_shares")
        return
    start = pd.DatetimeIndex(periods["start"])
    engine.put(
        "months",
        pd.DataFrame({"t": np.arange(len(start)), "first_day": start, "next_day": start + pd.offsets.MonthBegin(1)}),
    )
    engine.run("stay_shares_pro_rated")
