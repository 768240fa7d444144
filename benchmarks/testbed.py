"""The test-bed for evaluators: every world that fools evaluations, over many seeds, and who says what in it.

    python -m benchmarks.testbed [--seeds 20] [--first-seed 1] [--checkpoint FILE] [--out docs/results] [--worlds merger ...]
                                 [--scenarios null effect harm] [--evaluators analyze benchmarks.rivals:two_way_cr1 ...]
                                 [--command NAME "python mine.py {folder}"] [--studies "14 sites" "single trust"] [--files] [--score-only]

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
from typing import Any, Literal

import pandas as pd

from aaot_eval.checks import CHECKS
from aaot_eval.config import RunConfig, load_config
from aaot_eval.design import choose_analyses, refuse_unfit
from aaot_eval.errors import AaotEvalError, InputError
from aaot_eval.estimators import Estimator, build_estimator
from aaot_eval.pipeline import run_evaluation
from aaot_eval.results import Analysis, CheckResult, Effect, Estimate, Panel, Verdict
from aaot_eval.synthetic import WORLDS, Scenario, Study, draw_study, simulate_study
from aaot_eval.synthetic.panel import panel_of
from aaot_eval.synthetic.worlds import CLAIMS, WITHHELD, judged
from aaot_eval.wording import CONDITIONAL_DESIGNS, effect_verdict

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
#: The same for people of one trust.
NEVER_FAILS_ALONE = ("deaths", "dip", "e_value", "first_contact", "specification_curve", "subgroups")
#: These doubt a claim and nothing else: without one they pass, whatever they find.
OF_CLAIMS = ("specification_curve", "leave_one_month_out", "e_value")
MANY, ALONE = "14 sites", "single trust"
STUDIES = (MANY, ALONE)
#: One trust of the size of two or three, as in the scenario `single_site`.
ONE_TRUST: dict[str, Any] = {"sites": 1, "treated": 1, "size": 2.6}
#: What the historical comparison of one trust removes is selection; where nothing else happens, a wrong direction is its own fault.
SELECTION_ALONE = (PLAIN, "closing", "severity", "peak", "mixed_selection")
#: Worlds between a site with and one without a service.
BETWEEN_SITES = ("displaced_elsewhere", "merger", "spill_over")
WIDTH = "width"


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
    study_kind: str = MANY

    @property
    def arguments(self) -> dict[str, Any]:
        """What the study is simulated with."""
        size = ONE_TRUST if self.study_kind == ALONE else {}
        return {"scenario": self.scenario, "worlds": self.worlds, "seed": self.seed, **size}

    @cached_property
    def study(self) -> Study:
        """The study before anything is recorded. An evaluator must not look at it."""
        return draw_study(**self.arguments)

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
        return simulate_study(folder, **self.arguments)


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
    alone = study.analysis.design in CONDITIONAL_DESIGNS
    idle = (
        NEVER_FAILS_ALONE
        if alone
        else NEVER_FAILS
        if study.estimate.direction != "unclear"
        else (*NEVER_FAILS, *OF_CLAIMS)
    )
    names = [n for n in study.analysis.checks if n not in idle]
    for name in sorted(names, key=lambda n: (FIRST.index(n) if n in FIRST else len(FIRST), n)):
        done.append(study.check(name))
        # The word of a conditional design is withheld from the start, so that what its checks find would never be seen.
        if not alone and study.verdict(tuple(done)).word in WITHHELD:
            break
    return _said(study.verdict(tuple(done)).word, study.estimate, done)


def _said(word: str, estimate: Estimate, checks: Sequence[CheckResult]) -> Said:
    why = " ".join(c.check for c in checks if c.verdict == "fail") or (WIDTH if word == "cannot_tell" else "")
    return Said(word, estimate.estimate, estimate.conf_low, estimate.conf_high, why)


def analyze_files(case: Case) -> Said:
    """The verdict of the whole chain, from files: data gates, panel, every analysis and check, costs, wording."""
    with tempfile.TemporaryDirectory() as folder:
        case.write(Path(folder))
        try:
            result = run_evaluation(load_config(Path(folder) / "study.toml"))
        except AaotEvalError as refusal:
            return Said("refused", why=refusal.problems[0].code)
    return _said(result.verdict.word, result.primary.headline, result.primary.checks)


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


Cell = tuple[str, str, str]


def cells(worlds: Sequence[str], scenarios: Sequence[str], studies: Sequence[str] = STUDIES) -> list[Cell]:
    """Kind of study, world and scenario of every cell; spill-over spills an effect, so it has no cell without one."""
    known = [PLAIN, *WORLDS, *("+".join(t) for t in TOGETHER)]
    asked = [w for w in known if not worlds or w in worlds] + [w for w in worlds if w not in known]
    can = {MANY: asked, ALONE: [w for w in asked if not set(w.split("+")) & set(BETWEEN_SITES)]}
    return [(k, w, s) for k in STUDIES if k in studies for w in can[k] for s in scenarios
            if s == "effect" or "spill_over" not in w.split("+")]  # fmt: skip


def judged_alone(word: str, scenario: Scenario, world: str) -> Literal["right", "withheld", "fooled"]:
    """The same for one trust alone, which may say a direction on condition and nothing without one.

    Right is the direction of the truth with its condition, and not to tell where there is none. The other direction is wrong where
    nothing but selection is switched on; where something else happens, the condition names it, and the word is withheld.
    """
    if word in CLAIMS:
        return "fooled"
    right = "lower_but" if scenario.site_ratio < 1 else "higher_but" if scenario.site_ratio > 1 else "cannot_tell"
    if word == right:
        return "right"
    return "fooled" if word in ("lower_but", "higher_but") and world in SELECTION_ALONE else "withheld"


def run(
    jobs: Sequence[tuple[str, str, str, int]],
    evaluators: dict[str, Evaluator],
    done: set[tuple[str, str, str, int, str]],
) -> Iterator[dict[str, Any]]:
    """One row for each study and evaluator that is not done yet."""
    for kind, world, scenario, seed in jobs:
        wanted = [name for name in evaluators if (kind, world, scenario, seed, name) not in done]
        case = Case(scenario, () if world == PLAIN else tuple(world.split("+")), seed, kind)
        if not wanted or not case.can_be:
            continue
        for name in wanted:
            begin = time.process_time()
            said = evaluators[name](case)
            truth = case.study.scenario
            yield {
                "study": kind,
                "world": world,
                "scenario": scenario,
                "seed": seed,
                "evaluator": name,
                **asdict(said),
                "truth": truth.site_ratio,
                "judged": judged(said.verdict, truth) if kind == MANY else judged_alone(said.verdict, truth, world),
                "cpu_seconds": round(time.process_time() - begin, 2),
            }


def score(rows: pd.DataFrame) -> pd.DataFrame:
    """By kind of study, evaluator, world and scenario: how often right, withheld and fooled, and the mean estimate."""
    marks = pd.get_dummies(rows["judged"]).reindex(columns=["right", "withheld", "fooled"], fill_value=False)
    keys = ["study", "evaluator", "world", "scenario"]
    table = pd.concat([rows[[*keys, "truth", "estimate"]], marks.astype(float)], axis=1)
    table["other_way"] = _other_way(rows)
    out = table.groupby(keys, sort=False).agg(
        seeds=("truth", "size"), truth=("truth", "first"), mean_estimate=("estimate", "mean"),
        right=("right", "mean"), withheld=("withheld", "mean"), fooled=("fooled", "mean"), other_way=("other_way", "mean"),
    )  # fmt: skip
    return out.reset_index()


def _other_way(rows: pd.DataFrame) -> pd.Series:
    """Whether a direction that is not the truth's is said, with or without a condition."""
    lower, higher = (rows["verdict"].str.startswith(w) for w in ("lower", "higher"))
    return (lower & (rows["truth"] >= 1)) | (higher & (rows["truth"] <= 1))


def withheld_by(rows: pd.DataFrame) -> pd.DataFrame:
    """What withheld the verdicts of one evaluator, by kind of study, world and scenario: studies, withheld, and each reason with its count.

    The reason is the first check that fails; `width` where the interval alone cannot tell; a code where the study is refused.
    """
    found = []
    for (kind, world, scenario), part in rows.groupby(["study", "world", "scenario"], sort=False):
        held = part[part["judged"] == "withheld"]
        counts = (
            held["why"]
            .replace("", "the design")
            .str.split()
            .str[0]
            .where(held["why"] != "", "the design")
            .value_counts()
        )
        ordered = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))
        found.append(
            {"study": kind, "world": world, "scenario": scenario, "seeds": len(part), "withheld": len(held),
             "by": ", ".join(f"{name} {count}" for name, count in ordered)}
        )  # fmt: skip
    return pd.DataFrame(found)


def markdown(header: Sequence[str], lines: Sequence[Sequence[object]]) -> str:
    """A table."""
    rows = [header, ["---"] * len(header), *lines]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in rows)


def _shares(rows: pd.DataFrame) -> str:
    """Worlds by evaluators: share right or withheld, and share right."""
    who = list(dict.fromkeys(rows["evaluator"]))
    marks = rows.assign(honest=rows["judged"] != "fooled", right=rows["judged"] == "right")
    shares = marks.groupby(["world", "evaluator"], sort=False)[["honest", "right"]].mean()
    lines = []
    for world in dict.fromkeys(rows["world"]):
        found = [shares.loc[(world, w)] if (world, w) in shares.index else None for w in who]
        lines.append([world, *("–" if f is None else f"{f['honest']:.0%} ({f['right']:.0%} right)" for f in found)])
    return markdown(["world", *(w.rpartition(":")[2] for w in who)], lines)


def _details(table: pd.DataFrame) -> str:
    lines = [
        [r.evaluator.rpartition(":")[2], r.world, r.scenario, r.seeds, f"{r.truth:.2f}",
         "–" if math.isnan(r.mean_estimate) else f"{r.mean_estimate:.2f}", *(f"{v:.0%}" for v in (r.right, r.withheld, r.fooled, r.other_way))]
        for r in table.itertuples()
    ]  # fmt: skip
    header = ["evaluator", "world", "scenario", "seeds", "truth", "mean estimate", "right", "withheld", "fooled", "other way"]  # fmt: skip
    return markdown(header, lines)


def page(rows: pd.DataFrame, command: str, commits: Sequence[str]) -> str:
    """The scoreboard as Markdown: for each kind of study all evaluators by world and what withheld the first, then all in detail."""
    first = rows["evaluator"].iloc[0]
    parts = [
        f"# The test-bed for evaluators\n\nMade by `{command}` at commit {', '.join(f'`{c}`' for c in commits)}; one row for each "
        "study and evaluator in `testbed.csv`. Worlds, verdicts and how to add an evaluator: `docs/methods/testbed.md`. The mean "
        "estimate of `before_after`, and of one trust alone, is about people, the others' about sites."
    ]
    table = score(rows)
    for kind in (k for k in STUDIES if (rows["study"] == k).any()):
        own = rows[rows["study"] == kind]
        held = withheld_by(own[own["evaluator"] == first])
        parts += [
            f"## {kind[:1].upper()}{kind[1:]}",
            "Share of seeds, over all scenarios of a world, in which the verdict was right or honestly withheld, and in brackets in which "
            f"it was right (`{first}` needs {NEEDED:.0%} in every world):",
            _shares(own),
            f"What withheld the verdict of `{first}`: the first check that failed, `{WIDTH}` where the interval alone cannot tell"
            + (", `the design` where the direction is said on condition:" if kind == ALONE else ":"),
            markdown(
                ["world", "scenario", "withheld", "of", "by"],
                [[r.world, r.scenario, r.withheld, r.seeds, r.by or "–"] for r in held.itertuples()],
            ),
        ]
    parts.append(
        "## In detail\n\n“Other way”: a direction that is not the truth's is said, with or without a condition beside it."
    )
    for kind in (k for k in STUDIES if (table["study"] == k).any()):
        parts += [f"### {kind[:1].upper()}{kind[1:]}", _details(table[table["study"] == kind])]
    return "\n\n".join(parts) + "\n"


def main() -> int:
    """Run what is not in the checkpoint, store the scoreboard, and fail when a world misses the mark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--studies", nargs="+", default=list(STUDIES), choices=STUDIES)
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
    done = {(r["study"], r["world"], r["scenario"], r["seed"], r["evaluator"]) for r in rows}
    wanted = cells(asked.worlds, asked.scenarios, asked.studies)
    seeds = range(asked.first_seed, asked.first_seed + asked.seeds)
    jobs = [(*cell, seed) for seed in seeds for cell in wanted]
    for row in run([] if asked.score_only else jobs, evaluators, done):
        rows.append(row | {"commit": commit})
        if asked.checkpoint:
            with asked.checkpoint.open("a", encoding="utf-8", newline="\n") as file:
                file.write(json.dumps(rows[-1]) + "\n")
    frame = pd.DataFrame(rows)
    order = {cell: i for i, cell in enumerate(wanted)}
    frame = frame[[c in order for c in zip(frame["study"], frame["world"], frame["scenario"], strict=True)]]
    frame = frame[frame["seed"].isin(seeds)]
    frame = frame.assign(
        _who=frame["evaluator"].map({n: i for i, n in enumerate(evaluators)}).fillna(len(evaluators)),
        _cell=[order[c] for c in zip(frame["study"], frame["world"], frame["scenario"], strict=True)],
    ).sort_values(["_who", "_cell", "seed"], ignore_index=True)
    asked.out.mkdir(parents=True, exist_ok=True)
    frame.drop(columns=["_who", "_cell", "cpu_seconds"]).to_csv(
        asked.out / "testbed.csv", index=False, float_format="%.5g", lineterminator="\n"
    )
    first = int(frame["seed"].min())
    command = f"python -m benchmarks.testbed --first-seed {first} --seeds {int(frame['seed'].max()) + 1 - first}"
    text = page(frame, command, list(dict.fromkeys(frame["commit"])))
    (asked.out / "testbed.md").write_text(text, encoding="utf-8", newline="\n")
    print(text)
    ours = frame[frame["evaluator"] == chosen[0]]
    honest = (ours["judged"] != "fooled").groupby([ours["study"], ours["world"]]).mean()
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
