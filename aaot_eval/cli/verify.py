"""`aaot-eval verify`: is a run what it says it is, and does it come out the same again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aaot_eval.cli._options import Json, Quiet, RunFolderPath, Verbose, answer, wrapped
from aaot_eval.errors import InputError, Problem, VerifyMismatchError, counted

if TYPE_CHECKING:
    from aaot_eval.console import Terminal
    from aaot_eval.run_folder import RunFolder

#: Findings that rest on what an earlier run saw.
COMPARED = ("D387", "D388", "D389", "D422")


def verify(
    run: RunFolderPath,
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="DIR", help="Repeat the run and compare; where the paths in its config start."),
    ] = None,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="With --data: read every file again, also those a run has kept.")
    ] = False,
    rtol: Annotated[float, typer.Option("--rtol", help="Largest relative difference that counts as the same.")] = 1e-9,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Compare a run with its own record, and with a repetition."""
    from aaot_eval.console import Terminal
    from aaot_eval.errors import UsageError
    from aaot_eval.run_folder import PlanLog, differing_files, read_run, seal_problems

    if not 0 <= rtol < 1:
        raise UsageError(
            Problem(
                "U007",
                "--rtol is not a tolerance",
                allowed="0 up to, not including, 1",
                do="leave it out, or write 1e-9",
            )
        )
    terminal = Terminal(quiet=quiet or as_json, verbose=verbose)
    found = read_run(run)
    problems = differing_files(found) or seal_problems(found)
    if problems:
        raise VerifyMismatchError(*problems)
    when, gone = found.purged
    count = len(found.manifest["outputs"]) - sum(not (found.path / name).is_file() for name in gone)
    said = f" Its person-level files were purged on {when[:10]}." if when else ""
    logged: dict[str, object] | None = None
    if found.manifest.get("plan"):
        events, _ = PlanLog.beside(found.path.resolve().parent).chain()
        runs = [event.facts["run"] for event in events if event.kind == "run"]
        logged = {"lines": len(events), "runs": runs}
        said += f" The log of its sealed plan holds: {counted(len(events), 'line')}, {counted(len(runs), 'run')}."
    about = {"run": str(found.path), "files": count, "purged": when[:10] or None, "plan_log": logged}
    released = bool(found.manifest.get("released"))
    if data is not None and released:
        raise InputError(
            Problem(
                "V605",
                f"{found.path} is what was released of a run, which cannot be repeated from it",
                do="name the run it was made from",
            )
        )
    if data is None:
        left = "It is a release: to repeat it, name the run." if released else "Not repeated; give --data for that."
        text = f"{found.path.name}: all {counted(count, 'file')} are as they were written.{said} {left}"
        answer(wrapped(text), about, as_json)
        return
    differences = _repeat(found, data, terminal, no_cache=no_cache)
    text = _compared(differences, found.path.name, said, rtol, verbose=verbose)
    answer(text, {**about, "largest_relative_difference": differences, "rtol": rtol}, as_json)


def _compared(differences: dict[str, float], name: str, said: str, rtol: float, *, verbose: bool) -> str:
    """What the repetition came to, in words; raises VerifyMismatchError when a table differs by more than `rtol`."""
    worst = sorted(differences.items(), key=lambda item: -item[1])
    beyond = [(table, value) for table, value in worst if value > rtol]
    if beyond:
        raise VerifyMismatchError(
            *(Problem("V620", f"table {table} differs: largest relative difference {value:.3g}", allowed=f"{rtol:g}",
                      do="compare version and packages with manifest.json") for table, value in beyond)
        )  # fmt: skip
    most, where = (worst[0][1], f" ({worst[0][0]})" if worst[0][1] else "") if worst else (0.0, "")
    lines = [
        wrapped(
            f"{name}: repeated from its own config; {counted(len(worst), 'table')} compared, largest relative "
            f"difference {most:.1e}{where}.{said}"
        )
    ]
    if verbose:
        lines += [f"  {table:<28} {value:.1e}" for table, value in worst]
    return "\n".join(lines)


def _repeat(found: RunFolder, data: Path, terminal: Terminal, *, no_cache: bool) -> dict[str, float]:
    """The largest relative difference of each table, exact and released, between the run and its repetition.

    Files whose content, format and reader are those of a reading kept are not read again: what was kept is hashed too.
    """
    from aaot_eval.cli._cycle import MONITORING_TABLES
    from aaot_eval.cli._earlier import earlier_runs
    from aaot_eval.cli._scratch import scratch
    from aaot_eval.config import load_config
    from aaot_eval.disclosure import control
    from aaot_eval.pipeline import prepare, run_evaluation
    from aaot_eval.run_folder import differing_inputs, fingerprint, largest_differences

    config = load_config(found.config_file, data=data)
    changed = differing_inputs(found, fingerprint(config).inputs)
    if changed:
        missing = all(problem.code == "V611" for problem in changed)
        raise (InputError if missing else VerifyMismatchError)(*changed)
    config = config.changed(output__cache=False) if no_cache else config
    home = found.path.resolve().parent
    with scratch(home, Path.cwd()) as work, earlier_runs(config, home) as earlier:
        prepared = prepare(
            config, notify=terminal.progress, work=work, keep=earlier.readings, add=False, earlier=found.compared_with()
        )
        result = run_evaluation(config, notify=terminal.progress, prepared=prepared)
    again = control(result.tables, result.meta, profile=config.disclosure.profile, national=config.disclosure.national)
    # A month between refreshes carries the tables of another run; they are verified there.
    own = again.tables if found.manifest["refresh"].get("refreshed", True) else MONITORING_TABLES
    kept = {name: frame for name, frame in found.release().tables.items() if name in own or name not in again.tables}
    new = {name: frame for name, frame in again.tables.items() if name in own}
    if found.purged[0] and "data_quality" in kept:
        # What the run was compared with is gone with its other counts.
        frame = kept["data_quality"]
        kept["data_quality"] = frame[~frame["code"].isin(COMPARED)].reset_index(drop=True)
    # What was purged cannot be compared any more; the released tables can.
    exact = {} if found.purged[0] else largest_differences(found.exact_tables(), result.tables)
    released = largest_differences(kept, new)
    return {f"restricted/{name}": value for name, value in exact.items()} | {
        f"release/{name}": value for name, value in released.items()
    }
