"""What `--help` and `VERB --help` cost beside an empty typer application with as many commands, in turns.

    python -m benchmarks.help_speed [--rounds 15] [--out docs/results]

Every call is a process of its own; medians of CPU seconds (user and system) and of their ratios, round by round. Both sides
import typer from compiled bytecode: one call of each goes before the first round.
"""

from __future__ import annotations

import argparse
import csv
import os
import statistics
import subprocess
import sys
from pathlib import Path

from aaot_eval.cli import VERBS
from benchmarks.stamp import commit_now

ROOT = Path(__file__).resolve().parent.parent
#: Set before the first run.
MOST = 1.3


def empty_app(commands: int) -> str:
    """The code of a typer application whose commands do nothing."""
    bodies = "\n".join(
        f"@app.command('command{n}')\ndef command{n}() -> None:\n    'Do nothing.'" for n in range(commands)
    )
    return f"import sys, typer, time\napp = typer.Typer(add_completion=False, rich_markup_mode=None)\n{bodies}\n" \
           "app(sys.argv[1:], standalone_mode=False)\nsys.stderr.write(str(time.process_time()))\n"  # fmt: skip


OURS = (
    "import sys, time\nfrom aaot_eval.cli import run\nrun(sys.argv[1:])\nsys.stderr.write(str(time.process_time()))\n"
)


def seconds(code: str, *arguments: str) -> float:
    """CPU seconds of one call, the start of Python included."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return float(done.stderr.splitlines()[-1])


def main() -> None:
    """Measure in turns and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results")
    asked = parser.parse_args()
    verbs = [verb for group in VERBS.values() for verb in group]
    empty = empty_app(len(verbs))
    calls = {"--help": ((), ())} | {f"{verb} --help": ((verb,), ("command0",)) for verb in verbs}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for n in range(asked.rounds + 1):
        for name, (ours, theirs) in calls.items():
            pair = seconds(OURS, *ours, "--help"), seconds(empty, *theirs, "--help")
            if n:
                times[name].append(pair)
    commit = commit_now()
    rows = []
    for name, pairs in times.items():
        ratio = statistics.median(a / b for a, b in pairs)
        mine, bare = (statistics.median(p[i] for p in pairs) for i in (0, 1))
        rows.append([name, f"{mine:.3f}", f"{bare:.3f}", f"{ratio:.2f}", "yes" if ratio <= MOST else "NO"])
    asked.out.mkdir(parents=True, exist_ok=True)
    with (asked.out / "help_speed.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("call", "cpu_seconds", "empty_app_cpu_seconds", "ratio", "met"))
        writer.writerows(rows)
    lines = [
        "# Help beside an empty typer application", "",
        f"Made by `python -m benchmarks.help_speed --rounds {asked.rounds}` at commit {commit}, load {os.getloadavg()[0]:.0f}: CPU seconds of a process,",
        f"medians of {asked.rounds} rounds in turns with an application of {len(verbs)} commands that do nothing. Goal: at most {MOST} times.", "",
        "| call | CPU s | empty application, CPU s | ratio | met |", "|---|---|---|---|---|",
        *(f"| `{r[0]}` | {' | '.join(r[1:])} |" for r in rows),
    ]  # fmt: skip
    (asked.out / "help_speed.md").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
