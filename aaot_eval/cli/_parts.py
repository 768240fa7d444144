"""The study run again with one thing exchanged at a time, to say how much of a change came from what."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aaot_eval.cli._options import wrapped

if TYPE_CHECKING:
    from aaot_eval.config import RunConfig
    from aaot_eval.console import Terminal
    from aaot_eval.run_folder import Comparison, Part, RunFolder, Standing

#: Inputs that say what things cost.
PRICES = ("unit_costs", "programme", "price_index", "utilities")
ORDER = (
    "Each part is the study run again with that alone exchanged, in this order; in another order the parts can be others. A run keeps "
    "counts of the earlier records, not the records themselves: late, corrected and recoded ones are one part."
)


@dataclass(frozen=True, slots=True)
class Parts:
    """The answers at either end and every part between them."""

    then: Standing
    now: Standing
    parts: tuple[Part, ...]


def parts(found: Comparison, data: Path, terminal: Terminal) -> Parts:
    """How much of the change came from the records sent since, the settings, the prices and the new months.

    `data` is where the paths in the configs start. Raises InputError and VerifyMismatchError where the study cannot be repeated from there.
    """
    from aaot_eval.run_folder import config_hash, parts_of, standing

    later = _config_of(found.later, data)
    earlier = _config_of(found.earlier, data, of_the_run=False)
    last, newest = (str(run.manifest["data_cut"]) for run in (found.earlier, found.later))
    _refuse_the_wrong_way_round(found, last, newest)
    cheap = _prices_are_there(found.earlier, earlier)
    costs = (earlier if cheap else later).costs
    given: dict[str, Any] = {"costs": costs and costs.model_dump(exclude_unset=True), "study__last_period": last}
    exchanges = {
        _records(found, prices_too=not cheap): earlier.changed(data=later.data.model_dump(exclude_unset=True), **given),
        "settings of the study": later.changed(**given),
    }
    if earlier.costs or later.costs:
        exchanges["prices and costs of the service"] = later.changed(study__last_period=last)
    states = [standing(found.earlier.release().tables)]
    now = standing(found.later.release().tables)
    known = {config_hash(later.changed(study__last_period=last)): now} if last == newest else {}
    if not (found.changes["inputs"] or found.changes["versions"]):
        known.setdefault(config_hash(earlier.changed(study__last_period=last)), states[0])
    for what, config in exchanges.items():
        if config_hash(config) not in known:
            terminal.progress(f"The study again, with the exchange of: {what}.")
            known[config_hash(config)] = standing(_released(found.later, config, terminal))
        states.append(known[config_hash(config)])
    months = "no new month" if last == newest else f"months after {last}, up to {newest}"
    return Parts(states[0], now, tuple(parts_of([*exchanges, months], [*states, now])))


def _records(found: Comparison, *, prices_too: bool) -> str:
    """What the first exchange is of; what cannot be exchanged by itself is named with it."""
    others = ["another version of the program"] if found.changes["versions"] else []
    others += ["prices, whose earlier files are not here"] if prices_too else []
    told = ["records sent late, corrected or recoded"] if found.changes["inputs"] or not others else []
    told += others
    return " and ".join([", ".join(told[:-1]), told[-1]]) if len(told) > 1 else told[0]


def _config_of(run: RunFolder, data: Path, *, of_the_run: bool = True) -> RunConfig:
    """The config of a run whose results are its own; with `of_the_run`, one whose inputs lie under `data` as they were read."""
    from aaot_eval.config import load_config
    from aaot_eval.errors import InputError, Problem, VerifyMismatchError
    from aaot_eval.run_folder import differing_inputs, fingerprint

    if run.manifest.get("released"):
        raise InputError(
            Problem("V605", f"{run.path} is what was released of a run, which cannot be repeated from it",
                    do="name the run it was made from")
        )  # fmt: skip
    if not run.manifest["refresh"].get("refreshed", True):
        raise InputError(
            Problem("V641", f"{run.path} carries the estimates of another run, {run.manifest['refresh'].get('run')}",
                    do="compare that run, or leave out --data")
        )  # fmt: skip
    config = load_config(run.config_file, data=data)
    if of_the_run and (changed := differing_inputs(run, fingerprint(config).inputs)):
        missing = all(problem.code == "V611" for problem in changed)
        raise (InputError if missing else VerifyMismatchError)(*changed)
    return config


def _refuse_the_wrong_way_round(found: Comparison, last: str, newest: str) -> None:
    from aaot_eval.errors import InputError, Problem

    if last > newest:
        raise InputError(
            Problem("V642", f"the first run ends in {last}, after the second, which ends in {newest}",
                    where=str(found.later.path), do="name the earlier run first, or leave out --data")
        )  # fmt: skip


def _prices_are_there(run: RunFolder, config: RunConfig) -> bool:
    """Whether the files of prices of a run still lie where its config names them, as they were."""
    from aaot_eval.run_folder import fingerprint

    read = {(f["table"], f["sha256"]) for f in run.manifest["inputs"] if f["table"] in PRICES}
    return read <= {(f.table, f.sha256) for f in fingerprint(config).inputs}


def _released(run: RunFolder, config: RunConfig, terminal: Terminal) -> Any:
    """What may be shown of the study with this config, run in a folder that is gone afterwards."""
    from aaot_eval.cli._earlier import earlier_runs
    from aaot_eval.cli._scratch import scratch
    from aaot_eval.disclosure import control
    from aaot_eval.pipeline import prepare, run_evaluation

    home = run.path.resolve().parent
    with scratch(home, Path.cwd()) as work, earlier_runs(config, home) as earlier:
        prepared = prepare(config, notify=terminal.progress, work=work, keep=earlier.readings, add=False, earlier=None)
        result = run_evaluation(config, notify=terminal.progress, prepared=prepared)
    rules = config.disclosure
    return control(result.tables, result.meta, profile=rules.profile, national=rules.national).tables


def document(found: Parts) -> dict[str, Any]:
    """The parts for --json: changes in per cent, savings in pounds for each patient-year; null where there is none."""

    def at(state: Standing) -> dict[str, Any]:
        ends = {"change": state.change, "low": state.low, "high": state.high}
        return {k: None if v is None else v / 10 for k, v in ends.items()} | {"saving": state.saving}

    return {
        "then": at(found.then),
        "now": at(found.now),
        "parts": [
            {"what": p.what, "change": None if p.change is None else p.change / 10, "saving": p.saving,
             "other_comparison": p.other_comparison}
            for p in found.parts
        ],
    }  # fmt: skip


def lines(found: Parts, cuts: tuple[str, str]) -> list[str]:
    """The parts as people read them: one row each between the two answers."""
    costed = (found.then.saving, found.now.saving) != (None, None)
    rows = [("", "outcome", "net saving a"), ("", "against expected", "patient-year")]
    rows.append((f"then, data to {cuts[0]}", _change(found.then.change), _pounds(found.then.saving)))
    rows += [
        (f"  {p.what}{' *' if p.other_comparison else ''}", _change(p.change, " points"), _pounds(p.saving))
        for p in found.parts
    ]
    rows.append((f"now, data to {cuts[1]}", _change(found.now.change), _pounds(found.now.saving)))
    told = ["", "What moved the answer"]
    for name, change, saving in rows:
        first, *more = textwrap.wrap(name, 43, subsequent_indent="    ") or [""]
        told.append(f"  {first:<44}{change:>16}{saving if costed else '':>16}".rstrip())
        told += [f"  {line}" for line in more]
    told.append("")
    if found.now.low is not None and found.now.high is not None:
        ends = f"{_change(found.now.low)} to {_change(found.now.high)}"
        told.append(wrapped(f"The interval of the newer answer goes from {ends}.", ""))
    elif found.now.change is not None:
        told.append("The newer answer has no interval: it cannot be told from chance.")
    told.append(wrapped(ORDER, ""))
    if any(p.other_comparison for p in found.parts):
        told.append(wrapped("*: from there on the answer rests on another comparison.", ""))
    if any(p.change is None or (costed and p.saving is None) for p in found.parts):
        told.append(wrapped("?: there is no such number, or none that may be shown.", ""))
    return told


def _change(tenths: int | None, unit: str = " %") -> str:
    return "?" if tenths is None else f"{_sign(tenths)}{abs(tenths) / 10:.1f}{unit}"


def _pounds(pounds: int | None) -> str:
    return "?" if pounds is None else f"{_sign(pounds)}£{abs(pounds):,}"


def _sign(number: int) -> str:
    return "+" if number > 0 else "-" if number < 0 else ""
