"""Writes docs/quality_gates.md: every gate with its level, limit, meaning and what to do: `python -m tools.gates_page`."""

from __future__ import annotations

import sys

from aaot_eval.findings import CATALOGUE, LIMITS, FindingKind
from aaot_eval.messages import MESSAGES

HEAD = """\
# Quality gates

<!-- Made by `python -m tools.gates_page > docs/quality_gates.md` from aaot_eval/findings/; a test holds the two together. -->

A gate looks at what was read and says *stop*, *warn* or *note*. A stop ends the run with exit code 4 (a refusal of a file or price table with 3); a
warning stands on the page and weakens what may be said; a note is for the record. `aaot-eval check` shows what every gate found without
estimating anything, on the terminal, as JSON (`--json`) and as a page (`--page`); `aaot-eval explain D382` says the same as this page of one gate.

Every number that a gate asks for can be set for your data. What a study sets stands in its resolved config and in every run:

```toml
[quality]
thresholds = { D382 = 0.2, D370 = 120 }
```

Two numbers cannot be set: the share of person keys from which on they are taken for NHS numbers (90 %), and the number of records
below which nothing is judged (10 episodes a month for completeness, 50 for volume, depth, jumps and revisions). The stale gate
D330 goes by `[monthly] lag_months`.

"""


def _limits() -> list[str]:
    lines = ["## Limits", "", "| code | default | may be set from | to | bounds |", "|---|---|---|---|---|"]
    for code, limit in LIMITS.items():
        shown = [limit.shown(v) for v in (limit.default, limit.least, limit.most)]
        lines.append(f"| {code} | {shown[0]} | {shown[1]} | {shown[2]} | {limit.meaning} |")
    return [*lines, ""]


def _gates(level: str, heading: str) -> list[str]:
    lines = [f"## {heading}", "", "| code | what | why | what to do | limit |", "|---|---|---|---|---|"]
    kinds: list[FindingKind] = sorted((k for k in CATALOGUE.values() if k.level == level), key=lambda k: k.code)
    for k in kinds:
        limit = k.limit.shown(k.limit.default) if k.limit else "any"
        lines.append(f"| {k.code} | {k.title} | {k.why} | {k.do} | {limit} |")
    return [*lines, ""]


def _refusals() -> list[str]:
    lines = ["## Refusals that ask a limit", "", "| code | what | what to do | limit |", "|---|---|---|---|"]
    for code in LIMITS:
        if code in MESSAGES:
            meaning, do = MESSAGES[code]
            lines.append(f"| {code} | {meaning} | {do} | {LIMITS[code].shown(LIMITS[code].default)} |")
    return [*lines, ""]


def page() -> str:
    """The text of docs/quality_gates.md."""
    parts = [("stop", "Gates that stop"), ("warn", "Gates that warn"), ("note", "Notes")]
    lines = [line for level, heading in parts for line in _gates(level, heading)]
    return HEAD + "\n".join([*_limits(), *lines, *_refusals()])


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    sys.stdout.write(page())
