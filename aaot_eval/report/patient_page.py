"""The restricted page of the rows of patients: readable, self-contained, and never part of a release.

It shows the same rows as the CSV and Parquet files beside it, block by block: alive, short follow-up, died. Nothing is sorted by
difference, and there is no mean over people whose time was cut short.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from aaot_eval.report.blocks import Bullets, Facts, Heads, Notice, Paragraph, Report, Section, Table, Text
from aaot_eval.report.words import INVENTED, counted, period_name, written

NOT_EVIDENCE = (
    "A difference for one person is not evidence that the service caused it; only the sum over people is estimated."
)
BLOCKS = {
    "alive": ("Alive, followed for a quarter of a year or more", ""),
    "short follow-up": (
        "Short follow-up: under a quarter of a year",
        "Too short to say anything; these people stay in the sum and out of every mean.",
    ),
    "died": (
        "Died",
        "A death is not a saving: time after it is not counted, and these people stay in the sum and out of every mean.",
    ),
}
COLUMNS: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (("person",), "Person", ""),
    (("unit",), "Hospital", ""),
    (("referral_month",), "Referred", "month"),
    (("exposure_days",), "Days", "count"),
    (("own_history_weight",), "Weight of own history", "ratio"),
    (("expected_cost",), "Expected cost", "price"),
    (("observed_cost",), "Observed cost", "price"),
    (("difference",), "Difference", "price"),
    (("difference_low_80", "difference_high_80"), "80 % interval", "money"),
    (("difference_low_95", "difference_high_95"), "95 % interval", "money"),
    (("service_cost",), "Cost of the service", "price"),
    (("net_difference",), "Net", "price"),
)
BASIS = {
    "people like them": "people with the same peak and history, where and when there was no service",
    "own caseload": "the people on the caseload themselves, because too few others are like them",
}
WORDS = (
    "Expected cost: read from those named above, shrunk toward the mean by how little one person's history tells, times one calibration "
    "factor for everybody.",
    "Observed cost: care that began between referral and the end of follow-up, at the prices of the run.",
    "Difference: expected less observed, before the cost of the service. Its intervals are for what this person would have cost.",
    "Net: difference less what the service cost over the same days.",
    "Rows stand by hospital and referral, never by difference. Do not rank people by it.",
    "Person is the number of this run. patients.csv beside this page also holds person_key, the key of the caseload file, which joins a "
    "row to it; months of history and the expected cost before calibration stand there too.",
)


def patient_report(rows: pd.DataFrame, meta: Mapping[str, Any], reason: str) -> Report:
    """The rows of `costs.patients.patient_rows` as a report; `reason` is why they were asked for, `meta` the facts of the run."""
    mark = f" {INVENTED}" if meta.get("invented_prices") else ""
    blocks = [s for name in BLOCKS if len(s := rows[rows["status"] == name])]
    sections = [
        Section("summary", "How to read this", (
            Notice("warning", "Not evidence about one person", NOT_EVIDENCE),
            Paragraph(f"Reason given for making it: {reason}"),
            _sums(rows, mark, str((meta.get("money") or {}).get("sentence", ""))),
            Bullets(WORDS),
        )),
        *(_block(part, mark) for part in blocks),
    ]  # fmt: skip
    return Report(
        title=f"{meta['title']}: people on the caseload",
        subtitle="Restricted: it never leaves this folder",
        sections=tuple(sections),
        footer=(("Run", str(meta.get("run_id", "not stated"))), ("Data to", period_name(str(meta["data_cut"]))),
                ("Restricted", NOT_EVIDENCE), ("Made with", f"aaot-eval {meta.get('version', '')}")),
        banners=(("Invented prices", "No sum of money here is real."),) if mark else (),
        eyebrow="Accounting for people on the caseload, not evidence about any of them",
        kind="rows of patients",
        wide=True,
    )  # fmt: skip


def _sums(rows: pd.DataFrame, mark: str, said: str) -> Facts:
    """The control total: the rows, block by block, what they add up to, and what the evaluation says of that sum (`said`).

    A sum to the penny looks certain: beside it stands the sentence with its interval, which may be that nothing can be told.
    """
    lines: list[tuple[str, Text]] = [
        ("Calibration factor", f"{rows['calibration'].iloc[0]:.4f}"),
        ("Expected cost rests on", BASIS.get(str(rows["basis"].iloc[0]), str(rows["basis"].iloc[0]))),
    ]
    for name, (title, _) in BLOCKS.items():
        part = rows[rows["status"] == name]
        people = counted(len(part), "person", "people")
        lines.append((title, f"{people}, difference {written(float(part['difference'].sum()), 'price')}{mark}"))
    total, service, net = (
        written(_pence_sum(rows[c]), "price") for c in ("difference", "service_cost", "net_difference")
    )
    lines += [
        ("All rows together", f"{total}{mark}: the cohort estimate, to the penny"),
        ("Net", f"{net}{mark}: less the service over the same days, {service}{mark}"),
        *([("What may be said of it", said)] if said else []),
    ]
    return Facts(tuple(lines), "Control total")


def _pence_sum(amounts: pd.Series[Any]) -> float:
    return sum(round(float(a) * 100) for a in amounts) / 100


def _block(rows: pd.DataFrame, mark: str) -> Section:
    status = str(rows["status"].iloc[0])
    title, said = BLOCKS[status]
    heads = tuple(
        Heads(head + (mark if kind == "price" else ""), numeric=bool(kind) and kind != "month")
        for _, head, kind in COLUMNS
    )
    cells = tuple(tuple(_cell(row, fields, kind) for fields, _, kind in COLUMNS) for row in rows.to_dict("records"))
    table = Table("patients", f"{title}: one row a person", heads, cells, note=NOT_EVIDENCE, cards=True)
    return Section(status.replace(" ", "_"), title, (*((Paragraph(said),) if said else ()), table))


def _cell(row: Mapping[Any, Any], fields: tuple[str, ...], kind: str) -> str:
    if kind == "month":
        return period_name(str(row[fields[0]]), short=True)
    return " to ".join(written(row[f], kind) for f in fields)
