"""What was left blank, by the key in which it belongs."""

from __future__ import annotations

from typing import Any

from aaot_eval.options.record import AppraisalRecord, Entered, OptionRecord

#: Keys that may stay blank: words, and what only some options need.
OPTIONAL = {
    "band", "employer", "confidence", "supervision_hours", "contacts_a_month", "low", "high", "months", "expected_anyway",
    "plausible_reduction", "price_year", "uptake_by_need", "fade", "badge", "design", "measure", "overhead_share",
}  # fmt: skip
#: Keys that an option with a run takes from it.
FROM_RUN = {"staffing", "non_pay", "one_off", "effects", "capacity", "uptake"}


def missing_of(record: AppraisalRecord | OptionRecord) -> list[str]:
    """The keys without a value, as `staffing.Keyworker.wte`; of the reference none, for it adds nothing."""
    if isinstance(record, OptionRecord):
        if record.reference:
            return [f"measures.{m.name}" for m in record.measures if m.value is None]
        skip = OPTIONAL | (FROM_RUN if record.run else set())
        found = list(_blank(record, "", skip))
        if not record.run:
            found += [] if record.staffing else ["staffing"]
            found += [] if record.effects else ["effects"]
        return found
    found = list(_blank(record, "", OPTIONAL - {"price_year"} | {"people_file", "unit_costs"}))
    return [key for key in found if not (key.startswith("populations.") and key.endswith("price_year"))]


def _blank(record: Entered, place: str, skip: set[str]) -> list[str]:
    found = []
    for key in type(record).model_fields:
        if key in skip:
            continue
        value = getattr(record, key)
        where = f"{place}{key}"
        if value is None:
            found.append(where)
        elif isinstance(value, Entered):
            found += _blank(value, f"{where}.", skip)
        elif isinstance(value, list):
            for item in value:
                if isinstance(item, Entered):
                    found += _blank(item, f"{where}.{_named(item)}.", skip)
    return [f for f in found if not (f.startswith("effects.") and _theory(record, f))]


def _named(item: Any) -> str:
    return next(
        (
            str(getattr(item, k))
            for k in ("role", "item", "outcome", "name", "criterion", "condition", "risk")
            if hasattr(item, k)
        ),
        "",
    )


def _theory(record: Any, place: str) -> bool:
    """Whether the blank value is that of a line which is opinion or theory and carries none."""
    return any(place.startswith(f"effects.{e.outcome}.") and e.badge == "X" for e in getattr(record, "effects", ()))
