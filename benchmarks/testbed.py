"""The test-bed for evaluators: every world that fools evaluations, over many seeds, and who says what in it.

    python -m benchmarks.testbed [--seeds 20] [--checkpoint FILE] [--out docs/results] [--worlds merger ...]
                                 [--scenarios null effect harm] [--evaluators analyze benchmarks.rivals:two_way_cr1 ...]
                                 [--command NAME "python mine.py {folder}"] [--files] [--score-only]

Each study is drawn in memory (`draw_study`, `panel_of`) and put to every evaluator. With a checkpoint file every finished study is
kept there at once, and the same command goes on where it was stopped; seeds come first, so that a table made early is a whole one
of fewer seeds. Writes testbed.csv and testbed.md and fails when `analyze` is right or honestly withheld in under 95 % of the seeds
of a world. How to put another estimator in its place: docs/methods/testbed.md.
"""

from __future__ import annotations

import argparse
import json
import math
import shlex
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd

from aaot_eval.checks import CHECKS
from aaot_eval.config import RunConfig, load_config
from aaot_eval.design import choose_analyses, refuse_unfit
from aaot_eval.errors import AaotEvalError, InputError
from aaot_eval.estimators import Estimator, build_estimator
from aaot_eval.pipeline import run_evaluation
from aaot_eval.results import Analysis, CheckResult, Effect, Estimate, Panel, Verdict
from aaot_eval.synthetic import WORLDS, Study, draw_study, simulate_study
from aaot_eval.synthetic.panel import panel_of
from aaot_eval.synthetic.worlds import CLAIMS, WITHHELD, judged
from aaot_eval.wording import effect_verdict

ROOT = Path(__file__).resolve().parent.parent
SCENARIOS = ("null", "effect", "harm")
NEEDED = 0.95
#: Two worlds at once, to show that they can be combined.
TOGETHER = (("pandemic", "unequal_deaths"), ("displaced_elsewhere", "spill_over"))
PLAIN = "none"
RIVALS = ("benchmarks.rivals:before_after", "benchmarks.rivals:two_way_cr1")
#: Cheap checks first: once one has failed, the verdict is withheld whatever the others say.
FIRST = ("volume", "placebo_outcome", "site_deaths", "moved_care", "out_of_reach")
#: It can warn and never fail, so it changes no word, and takes a third of the time.
NEVER_FAILS = ("trend_violation",)


@dataclass(frozen=True)
class Said:
    """What an evaluator says: a word of CLAIMS or WITHHELD, its estimate of the site ratio if it has one, and why it withholds."""

    verdict: str
    estimate: float = math.nan
    conf_low: float = math.nan
    conf_high: float = math.nan
    why: str = ""

    def __post_init__(self) -> None:
        if self.verdict not in (*CLAIMS, *WITHHELD):
            raise ValueError(f"{self.verdict!r} is no verdict: {', '.join((*CLAIMS, *WITHHELD))}")


@dataclass(frozen=True)
class Case:
    """One simulated study for an evaluator: the panel in memory, or a folder of extracts."""

    scenario: str
    worlds: tuple[str, ...]
    seed: int

    @cached_property
    def study(self) -> Study:
        """The study before anything is recorded. An evaluator must not look at it."""
        return draw_study(scenario=self.scenario, worlds=self.worlds, seed=self.seed)

    @cached_property
    def can_be(self) -> bool:
        """Whether the effect can come about through the caseload; a seed in which it cannot is left out for everybody."""
        try:
            return bool(self.study.worlds)
        except InputError:
            return False

    @cached_property
    def panel(self) -> Panel:
        """Sites by months and people by months, as recorded."""
        return panel_of(self.study)

    def write(self, folder: Path) -> dict[str, Any]:
        """Writes extracts, tables and study.toml into the empty folder; returns the truth, which an evaluator must not read."""
        return simulate_study(folder, scenario=self.scenario, worlds=self.worlds, seed=self.seed)


Evaluator = Callable[[Case], Said]


@dataclass(frozen=True)
class Primary:
    """The primary analysis of a study as `analyze` chooses it, fitted, and the means to put its checks to it."""

    panel: Panel
    config: RunConfig
    analysis: Analysis
    estimator: Estimator
    estimate: Estimate

    def check(self, name: str) -> CheckResult:
        """One check of the primary."""
        return CHECKS[name]().run(self.estimator, self.panel, self.analysis, self.estimate, seed=self.config.seed)

    def verdict(self, checks: tuple[CheckResult, ...]) -> Verdict:
        """What may be said with these checks."""
        return effect_verdict(Effect(self.analysis, (self.estimate,), checks), self.panel, self.config)


def study_of(case: Case) -> Primary:
    """The primary of a study: design by rule, estimate. Raises AaotEvalError where `analyze` would refuse."""
    panel = case.panel
    config = _config(people=not panel.comparison_units)
    analysis = next(a for a in choose_analyses(panel, config) if a.primary)
    refuse_unfit(panel, (analysis,))
    estimator = build_estimator(analysis.estimator, dict(analysis.options))
    # Rows beside the headline and tables for the page decide no word.
    quick = getattr(estimator, "quick", lambda: estimator)()
    return Primary(panel, config, analysis, estimator, quick.fit(panel, analysis, seed=config.seed)[0])


def analyze(case: Case) -> Said:
    """The verdict of `aaot-eval analyze` on the panel of the study: design by rule, primary estimate, checks, wording.

    Checks stop at the first that fails, and are left out when the verdict is withheld without them: the word is the same.
    """
    try:
        study = study_of(case)
    except AaotEvalError as refusal:
        return Said("refused", why=refusal.problems[0].code)
    done: list[CheckResult] = []
    names, estimate = [n for n in study.analysis.checks if n not in NEVER_FAILS], study.estimate
    for name in sorted(names, key=lambda n: (FIRST.index(n) if n in FIRST else len(FIRST), n)):
        done.append(study.check(name))
        word = study.verdict(tuple(done)).word
        if word in WITHHELD:
            break
    why = " ".join(c.check for c in done if c.verdict == "fail")
    return Said(word, estimate.estimate, estimate.conf_low, estimate.conf_high, why)


def analyze_files(case: Case) -> Said:
    """The verdict of the whole chain, from files: data gates, panel, every analysis and check, costs, wording."""
    with tempfile.TemporaryDirectory() as folder:
        case.write(Path(folder))
        try:
            result = run_evaluation(load_config(Path(folder) / "study.toml"))
        except AaotEvalError as refusal:
            return Said("refused", why=refusal.problems[0].code)
    estimate = result.primary.headline
    why = " ".join(c.check for c in result.primary.checks if c.verdict == "fail")
    return Said(result.verdict.word, estimate.estimate, estimate.conf_low, estimate.conf_high, why)


def by_command(template: str) -> Evaluator:
    """A program as evaluator: it gets the study's folder in place of {folder} and prints its verdict as the last line.

    The line is one word, or JSON with `verdict` and, if it likes, `estimate`, `conf_low`, `conf_high`. Another exit code than 0
    counts as a refusal. truth.json and truth_series.csv are taken out of the folder first.
    """

    def evaluate(case: Case) -> Said:
        with tempfile.TemporaryDirectory() as folder:
            case.write(Path(folder))
            for answer in ("truth.json", "truth_series.csv"):
                (Path(folder) / answer).unlink()
            command = [part.replace("{folder}", folder) for part in shlex.split(template)]
            done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
        if done.returncode:
            return Said("refused", why=f"exit {done.returncode}")
        last = done.stdout.strip().splitlines()[-1]
        return Said(**json.loads(last)) if last.startswith("{") else Said(last)

    return evaluate


def named(name: str) -> Evaluator:
    """`analyze`, or any callable from a Case to a Said as package.module:function."""
    if name in ("analyze", "analyze_files"):
        return {"analyze": analyze, "analyze_files": analyze_files}[name]
    module, _, function = name.partition(":")
    found: Evaluator = getattr(import_module(module), function)
    return found


def _config(*, people: bool) -> RunConfig:
    """The smallest config; the rule of the panel itself serves the checks, so that comparisons of people need not be planned."""
    return RunConfig.model_validate(
        {
            "config_version": 1,
            "name": "testbed",
            "data": {"admissions": "apc.csv", "caseload": "caseload.csv", "sites": "sites.csv"},
            "study": {
                "outcome": "alcohol_specific_emergency",
                "entry_rule": "4 admissions in 12 months" if people else None,
            },
        }
    )


def cells(worlds: Sequence[str], scenarios: Sequence[str]) -> list[tuple[str, str]]:
    """World and scenario of every cell; spill-over spills an effect, so it has no cell without one."""
    known = [PLAIN, *WORLDS, *("+".join(t) for t in TOGETHER)]
    asked = [w for w in known if not worlds or w in worlds] + [w for w in worlds if w not in known]
    return [(w, s) for w in asked for s in scenarios if s == "effect" or "spill_over" not in w.split("+")]


def run(
    jobs: Sequence[tuple[str, str, int]], evaluators: dict[str, Evaluator], done: set[tuple[str, str, int, str]]
) -> Iterator[dict[str, Any]]:
    """One row for each study and evaluator that is not done yet."""
    for world, scenario, seed in jobs:
        wanted = [name for name in evaluators if (world, scenario, seed, name) not in done]
        case = Case(scenario, () if world == PLAIN else tuple(world.split("+")), seed)
        if not wanted or not case.can_be:
            continue
        for name in wanted:
            begin = time.process_time()
            said = evaluators[name](case)
            yield {
                "world": world,
                "scenario": scenario,
                "seed": seed,
                "evaluator": name,
                **asdict(said),
                "truth": case.study.scenario.site_ratio,
                "judged": judged(said.verdict, case.study.scenario),
                "cpu_seconds": round(time.process_time() - begin, 2),
            }


def score(rows: pd.DataFrame) -> pd.DataFrame:
    """By evaluator, world and scenario: how often right, withheld and fooled, and the mean estimate."""
    marks = pd.get_dummies(rows["judged"]).reindex(columns=["right", "withheld", "fooled"], fill_value=False)
    table = pd.concat([rows[["evaluator", "world", "scenario", "truth", "estimate"]], marks.astype(float)], axis=1)
    by = table.groupby(["evaluator", "world", "scenario"], sort=False)
    out = by.agg(
        seeds=("truth", "size"), truth=("truth", "first"), mean_estimate=("estimate", "mean"),
        right=("right", "mean"), withheld=("withheld", "mean"), fooled=("fooled", "mean"),
    )  # fmt: skip
    return out.reset_index()


def page(rows: pd.DataFrame, command: str, commits: Sequence[str]) -> str:
    """The scoreboard as Markdown: one table of all evaluators by world, then `analyze` in detail."""
    table = score(rows)
    first = table["evaluator"].iloc[0]
    who = list(dict.fromkeys(rows["evaluator"]))
    marks = rows.assign(honest=rows["judged"] != "fooled", right=rows["judged"] == "right")
    shares = marks.groupby(["world", "evaluator"], sort=False)[["honest", "right"]].mean()
    lines = ["| world | " + " | ".join(w.rpartition(":")[2] for w in who) + " |", "|" + " --- |" * (len(who) + 1)]
    for world in dict.fromkeys(rows["world"]):
        found = [shares.loc[(world, w)] if (world, w) in shares.index else None for w in who]
        texts = ["–" if f is None else f"{f['honest']:.0%} ({f['right']:.0%} right)" for f in found]
        lines.append(f"| {world} | " + " | ".join(texts) + " |")
    detail = ["| evaluator | world | scenario | seeds | truth | mean estimate | right | withheld | fooled |", "|" + " --- |" * 9]  # fmt: skip
    for r in table.itertuples():
        estimate = "–" if math.isnan(r.mean_estimate) else f"{r.mean_estimate:.2f}"
        detail.append(f"| {r.evaluator.rpartition(':')[2]} | {r.world} | {r.scenario} | {r.seeds} | {r.truth:.2f} | {estimate} | {r.right:.0%} | {r.withheld:.0%} | {r.fooled:.0%} |")  # fmt: skip
    return (
        f"# The test-bed for evaluators\n\nMade by `{command}` at commit {', '.join(f'`{c}`' for c in commits)}; one row for each "
        "study and evaluator in `testbed.csv`. Worlds, verdicts and how to add an evaluator: `docs/methods/testbed.md`. The mean "
        "estimate of `before_after` is about people on the caseload, the others' about sites.\n\n"
        f"Share of seeds, over all scenarios of a world, in which the verdict was right or honestly withheld, and in brackets in which "
        f"it was right (`{first}` needs {NEEDED:.0%} in every world):\n\n"
        + "\n".join(lines)
        + "\n\n## In detail\n\n"
        + "\n".join(detail)
        + "\n"
    )


def main() -> int:
    """Run what is not in the checkpoint, store the scoreboard, and fail when a world misses the mark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--worlds", nargs="+", default=[], help="names of worlds, 'none', or several joined by +")
    parser.add_argument("--scenarios", nargs="+", default=list(SCENARIOS))
    parser.add_argument("--evaluators", nargs="+", default=["analyze", *RIVALS])
    parser.add_argument("--command", nargs=2, action="append", default=[], metavar=("NAME", "COMMAND"))
    parser.add_argument("--files", action="store_true", help="analyze from files instead of in memory (slow)")
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--score-only", action="store_true", help="the scoreboard of what the checkpoint holds")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results")
    asked = parser.parse_args()
    chosen = [("analyze_files" if n == "analyze" and asked.files else n) for n in asked.evaluators]
    evaluators = {n: named(n) for n in chosen} | {n: by_command(c) for n, c in asked.command}
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, cwd=ROOT, check=False).stdout.strip()  # fmt: skip
    rows = read_checkpoint(asked.checkpoint)
    done = {(r["world"], r["scenario"], r["seed"], r["evaluator"]) for r in rows}
    jobs = [(w, s, seed) for seed in range(1, asked.seeds + 1) for w, s in cells(asked.worlds, asked.scenarios)]
    for row in run([] if asked.score_only else jobs, evaluators, done):
        rows.append(row | {"commit": commit})
        if asked.checkpoint:
            with asked.checkpoint.open("a", encoding="utf-8", newline="\n") as file:
                file.write(json.dumps(rows[-1]) + "\n")
    frame = pd.DataFrame(rows)
    order = {cell: i for i, cell in enumerate(cells(asked.worlds, asked.scenarios))}
    frame = frame[[cell in order for cell in zip(frame["world"], frame["scenario"], strict=True)]]
    frame = frame.assign(
        _who=frame["evaluator"].map({n: i for i, n in enumerate(evaluators)}).fillna(len(evaluators)),
        _cell=[order[cell] for cell in zip(frame["world"], frame["scenario"], strict=True)],
    ).sort_values(["_who", "_cell", "seed"], ignore_index=True)
    asked.out.mkdir(parents=True, exist_ok=True)
    frame.drop(columns=["_who", "_cell", "cpu_seconds"]).to_csv(
        asked.out / "testbed.csv", index=False, float_format="%.5g", lineterminator="\n"
    )
    text = page(
        frame, f"python -m benchmarks.testbed --seeds {frame['seed'].max()}", list(dict.fromkeys(frame["commit"]))
    )
    (asked.out / "testbed.md").write_text(text, encoding="utf-8", newline="\n")
    print(text)
    ours = frame[frame["evaluator"] == chosen[0]]
    honest = (ours["judged"] != "fooled").groupby(ours["world"]).mean()
    return int(bool((honest < NEEDED).any()))


def read_checkpoint(path: Path | None) -> list[dict[str, Any]]:
    """The finished studies of a checkpoint file; a last line that was cut off is left out."""
    if path is None or not path.exists():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return rows


if __name__ == "__main__":
    raise SystemExit(main())
