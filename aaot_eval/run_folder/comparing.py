"""Two runs side by side: what went in, what they were made with, what was kept, and what came out.

Every count comes from `release/`: two runs put beside one another show nothing that neither may show.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

import pandas as pd

from aaot_eval.config.writing import settings_by_path
from aaot_eval.results import Release
from aaot_eval.run_folder.reading import RunFolder

#: What makes a result; whatever else differs follows from these.
CAUSES = ("inputs", "settings", "versions")
#: What tells the rows of a released table apart, and what they say.
ESTIMATE = ("analysis", "unit", "estimator", "outcome", "estimand", "scale")
FINDING = ("code", "title", "where", "why")
PLACE = FINDING.index("where")
VALUES = {
    "flow": ("kept", "lost", "reason"),
    "data_quality": ("level", "records"),
    "estimates": ("estimate", "conf_low", "conf_high", "p_value", "primary", "status"),
    "headline": ("sentence",),
}


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs: what it is, and how it stood in either run; None where that run does not have it."""

    what: str
    then: str | None
    now: str | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs between two runs, by kind: `CAUSES`, then the sealed plan, flow, findings, estimates and headline."""

    earlier: RunFolder
    later: RunFolder
    changes: Mapping[str, tuple[Change, ...]]

    @property
    def causes(self) -> list[str]:
        """The kinds of cause that differ."""
        return [kind for kind in CAUSES if self.changes[kind]]


def compare_runs(earlier: RunFolder, later: RunFolder) -> Comparison:
    """What differs between two runs whose files are as they were written."""
    released = earlier.release(), later.release()
    then, now = (release.tables for release in released)
    changes = {
        "inputs": _inputs(earlier, later),
        "settings": _differing(_settings(earlier), _settings(later)),
        "versions": _differing(_versions(earlier), _versions(later)),
        "plan": _differing(*map(_plan, released)),
        "flow": _differing(_flow(then), _flow(now)),
        "findings": _findings_differing(_findings(then), _findings(now)),
        "estimates": _differing(_estimates(then), _estimates(now)),
        "headline": _differing(_headline(then), _headline(now)),
    }
    return Comparison(earlier, later, changes)


def _differing(then: Mapping[Any, str], now: Mapping[Any, str]) -> tuple[Change, ...]:
    """The entries that differ, in the order of the later run, then those that only the earlier has."""
    keys = dict.fromkeys(chain(now, then))
    return tuple(Change(_name(k), then.get(k), now.get(k)) for k in keys if then.get(k) != now.get(k))


def _findings_differing(then: Mapping[Any, str], now: Mapping[Any, str]) -> tuple[Change, ...]:
    """As `_differing`, but a finding that is told once in either run is the same one where its place has changed: the place may name
    the months of the extract or count its files."""
    gone, new = ([k for k in these if k not in others] for these, others in ((then, now), (now, then)))
    moved = {}
    for key in new:
        alike = [[k for k in side if _placeless(k) == _placeless(key)] for side in (gone, new)]
        if [len(side) for side in alike] == [1, 1]:
            moved[key] = alike[0][0]
    changes = _differing(
        {k: v for k, v in then.items() if k not in moved.values()}, {k: v for k, v in now.items() if k not in moved}
    )
    return *changes, *(
        Change(_name(_placeless(k)), f"{was[PLACE]}: {then[was]}", f"{k[PLACE]}: {now[k]}") for k, was in moved.items()
    )


def _placeless(key: tuple[Any, ...]) -> tuple[Any, ...]:
    """What a finding is, without where it is."""
    return (*key[:PLACE], *key[PLACE + 1 :])


def _name(key: Any) -> str:
    """A key as text: the number that tells rows of one name apart is not shown."""
    return "; ".join(str(part) for part in key[:-1] if part) if isinstance(key, tuple) else str(key)


def _inputs(earlier: RunFolder, later: RunFolder) -> tuple[Change, ...]:
    """Inputs by table and path with the hash of their content. A file that only has another name now is none."""
    then, now = ({(f["table"], f["path"]): f["sha256"] for f in run.manifest["inputs"]} for run in (earlier, later))
    kept = {(table, sha256) for (table, _), sha256 in then.items()} & {(t, s) for (t, _), s in now.items()}
    keys = dict.fromkeys(chain(now, then))
    return tuple(
        Change(f"{key[0]} {key[1]}", then.get(key), now.get(key))
        for key in keys
        if then.get(key) != now.get(key) and (key[0], then.get(key) or now.get(key)) not in kept
    )


def _settings(run: RunFolder) -> dict[str, str]:
    """Every key of the run's config, defaults included, by its path."""
    return settings_by_path(tomllib.loads(run.config_file.read_text("utf-8")))


def _versions(run: RunFolder) -> dict[str, str]:
    """The program, its own files, Python, the system, the packages and the code lists that a run was made with."""
    record = run.manifest
    parts = {"aaot-eval": record.get("tool"), "package": record.get("packages"), "code list": record.get("code_lists")}
    named = {
        f"{part} {key}": str(value)
        for part, about in parts.items()
        for key, value in (about or {}).items()
        if key != "name"
    }
    return named | {key: str(record[key]) for key in ("python", "system") if key in record}


def _plan(release: Release) -> dict[str, str]:
    """The seal that a run was made under, and how it stands to it."""
    plan = release.meta.get("plan")
    if not plan:
        return {}
    told = {"sealed": plan["sealed"], "hash of the seal": plan["sha256"]}
    told["departures"] = ", ".join(departure["key"] for departure in plan["departures"]) or "none"
    reasons = [f"{', '.join(accepted['lists'])}: {accepted['reason']}" for accepted in plan["accepted"]]
    return told | ({"code lists accepted": "; ".join(reasons)} if reasons else {})


def _rows(tables: Mapping[str, pd.DataFrame], name: str, key: tuple[str, ...]) -> Iterable[tuple[tuple[Any, ...], Any]]:
    """The rows of a released table, by `key` and, where several rows have the same, their number.

    Another version may have written it: what it lacks is blank.
    """
    frame = tables.get(name)
    if frame is None:
        return
    frame = frame.reindex(columns=[*frame.columns, *(c for c in (*key, *VALUES[name]) if c not in frame)])
    text = frame.astype(object).where(frame.notna(), "")
    number = text.groupby(list(key), sort=False).cumcount()
    for row, nth in zip(text.to_dict("records"), number, strict=True):
        yield (*[row[column] for column in key], nth), row


def _flow(tables: Mapping[str, pd.DataFrame]) -> dict[Any, str]:
    """The rows at each step; the reason of a loss may name a month, which is no part of the step's name."""
    return {
        key: "; ".join(p for p in (f"{_shown(row['kept'])} kept, {_shown(row['lost'])} lost", row["reason"]) if p)
        for key, row in _rows(tables, "flow", ("table", "step"))
    }


def _findings(tables: Mapping[str, pd.DataFrame]) -> dict[Any, str]:
    rows = _rows(tables, "data_quality", FINDING)
    return {key: " ".join([row["level"], _shown(row["records"])]).strip() for key, row in rows}


def _estimates(tables: Mapping[str, pd.DataFrame]) -> dict[Any, str]:
    """Each estimate with its limits and p; the primary one, which comes first in the table, is marked."""
    return {
        ("primary" if row["primary"] is True else "", *key): _estimate(row)
        for key, row in _rows(tables, "estimates", ESTIMATE)
    }


def _estimate(row: Mapping[str, Any]) -> str:
    limits = " to ".join(_shown(row[end]) or "no limit" for end in ("conf_low", "conf_high"))
    p = f", p {_shown(row['p_value'])}" if row["p_value"] != "" else ""
    return f"{_shown(row['estimate'])} ({limits}){p}" if row["estimate"] != "" else str(row["status"])


def _headline(tables: Mapping[str, pd.DataFrame]) -> dict[Any, str]:
    return {key: row["sentence"] for key, row in _rows(tables, "headline", ("question",))}


def _shown(value: Any) -> str:
    """A number of a released table as people read it; the symbol of a hidden cell as it stands."""
    if isinstance(value, float) and value != int(value):
        return f"{value:.4g}"
    return f"{int(value):,}" if isinstance(value, (int, float)) else str(value)
