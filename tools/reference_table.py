"""Write docs/results/reference_cases.md: every reference number, ours beside it, and the tolerance it was held to.

Usage: python tools/reference_table.py        (needs ../shared beside the project; runs the tests of the cases)
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.agreement import COLUMNS, RECORD  # noqa: E402

TARGET = ROOT / "docs" / "results" / "reference_cases.md"
CASES = ROOT.parent / "shared" / "reference_cases"


def main() -> int:
    """Run the comparisons, refuse when one fails or a case has none, and write the table."""
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "record.csv"
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "tests/methods", "-k", "reference"],
            cwd=ROOT,
            env={**os.environ, RECORD: str(record)},
            check=False,
        )
        if done.returncode:
            return done.returncode
        found = pd.read_csv(record, names=list(COLUMNS), keep_default_na=False).drop_duplicates()
    found = found.sort_values(["case", "quantity", "through"], kind="stable")
    folders = {f"{p.parent.name}/{p.name}" for p in CASES.glob("*/*") if p.is_dir() and not p.name.startswith("_")}
    missing = sorted(folders - set(found["case"]))
    if missing:
        print("no comparison for: " + ", ".join(missing))
        return 1
    TARGET.write_text(page(found), encoding="utf-8", newline="\n")
    return 0


def page(found: pd.DataFrame) -> str:
    """The page: a count by case, then every comparison."""
    counts = found.groupby("case", sort=True).size()
    lines = [
        "# Reference cases",
        "",
        "Numbers computed elsewhere (R packages, publications, closed forms) and the same numbers from this tool. Each row is",
        "asserted by a test, within the tolerance shown. Written by `python tools/reference_table.py`.",
        "",
        "| case | numbers compared |",
        "|---|---:|",
        *[f"| {case} | {n} |" for case, n in counts.items()],
        "",
    ]
    for case, rows in found.groupby("case", sort=True):
        lines += [
            f"## {case}",
            "",
            "| quantity | reference | ours | within | through | note |",
            "|---|---:|---:|---|---|---|",
        ]
        lines += [
            f"| {r.quantity} | {float(r.reference):.8g} | {float(r.ours):.8g} | {r.tolerance} | {r.through} | {r.note} |"
            for r in rows.itertuples()
        ]
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
