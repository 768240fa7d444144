"""The command line: the verbs, their grouped help, and the one place where an error becomes an exit code.

Only typer is imported here and in the verbs; each verb imports what it runs when it runs, so that `--help` is quick.
"""

from __future__ import annotations

import signal
import sys
from importlib import import_module
from types import FrameType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from aaot_eval.errors import AaotEvalError, ExitCode, is_no_room

VERBS: dict[str, dict[str, str]] = {
    "Everyday": {
        "init": "Start a study: a config and blank tables to fill.",
        "check": "Check config, extracts and design; write nothing.",
        "analyze": "Run the whole evaluation; print the run folder.",
        "report": "Draw a run's report again; fit nothing.",
    },
    "Monthly": {
        "compare": "Say what differs between two runs.",
        "schedule": "Print what a scheduler needs to run a study every month.",
    },
    "Review": {
        "verify": "Compare a run with its own record, and with a repetition.",
        "release": "Pack what may leave of a run, for the output checker.",
        "reproduce": "Recompute published figures, and say which cannot be.",
        "explain": "Explain a code, estimator, check, format or config key.",
        "purge": "List, and with --yes delete, old copies of people's rows.",
    },
    "Planning": {
        "power": "Say what a study can show, before looking at it.",
        "options": "Appraise service models on the same people and prices.",
        "simulate": "Make a study with a known effect: extracts, config, truth.",
    },
}
ALIASES = {"analyse": "analyze"}

# The parser's own errors. typer carries its parser inside, or uses click, by version; this base class is the same in both.
_CommandLineFault: Any = typer.BadParameter.__base__


class _OnDemand(dict[str, Any]):
    """The commands by name, each imported when it is asked for: `--help` pays for none of them."""

    def __init__(self) -> None:
        super().__init__({verb: None for verbs in VERBS.values() for verb in verbs})

    def get(self, name: str, default: Any = None) -> Any:
        verb = ALIASES.get(name, name)
        if verb not in self:
            return default
        if self[verb] is None:
            one = typer.Typer(add_completion=False, rich_markup_mode=None, context_settings=HELP_OPTIONS)
            one.command(verb)(getattr(import_module(f"aaot_eval.cli.{verb}"), verb))
            self[verb] = typer.main.get_command(one)
        return self[verb]


class _Verbs(TyperGroup):
    """The verbs under the headings of `VERBS`."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = _OnDemand()

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The list of verbs in the help."""
        for heading, verbs in VERBS.items():
            with formatter.section(heading):
                formatter.write_dl(list(verbs.items()))


HELP_OPTIONS = {"help_option_names": ["--help", "-h"]}
app = typer.Typer(
    name="aaot-eval",
    cls=_Verbs,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings=HELP_OPTIONS,
)


def _version(wanted: bool) -> None:
    if wanted:
        from aaot_eval import __version__

        typer.echo(f"aaot-eval {__version__}")
        raise typer.Exit()


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and stop.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Evaluate Alcohol Assertive Outreach Treatment from hospital extracts.

    Did admissions fall compared with what would have happened anyway, how sure can
    we be, what does it save or cost, and what could make this wrong.

    Start with:  aaot-eval init my-study --from extract.csv
    """


def run(arguments: list[str]) -> int:
    """Carry out one command line and return its exit code. Every ending of a run passes through here."""
    from aaot_eval.cli import _endings, _options

    _options.typed[:] = arguments
    _endings.faults_go_to()
    _endings.readings_are_in()
    stopped = False

    def stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal stopped
        stopped = True
        raise KeyboardInterrupt

    # A console of Windows that is closed sends a break; elsewhere there is none.
    asks = [signal.SIGINT, signal.SIGTERM, *([signal.Signals["SIGBREAK"]] if sys.platform == "win32" else [])]
    before = {number: signal.signal(number, stop) for number in asks}
    as_json = "--json" in arguments
    try:
        fault: BaseException | None = None
        try:
            ended = app(arguments, prog_name="aaot-eval", standalone_mode=False)
        except (Exception, KeyboardInterrupt) as raised:  # noqa: BLE001 - the outermost frame: every ending is told here
            fault = raised
        if fault is None and not stopped:
            return ended if isinstance(ended, int) else ExitCode.DONE
        # How it ended is told whole: Ctrl-C pressed again while it is told would put Python's own words in its place.
        for number in asks:
            signal.signal(number, signal.SIG_IGN)
        return _told(fault, stopped, as_json)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _told(fault: BaseException | None, stopped: bool, as_json: bool) -> int:
    """Say why a command line did not end well, and return its exit code; no fault when typer swallowed the interruption."""
    from aaot_eval.cli import _endings

    if isinstance(fault, _CommandLineFault):
        return _endings.command_line(fault, as_json)
    if isinstance(fault, AaotEvalError):
        return _endings.refusal(fault, as_json)
    # A library may wrap the interruption in an error of its own.
    if fault is None or stopped or isinstance(fault, KeyboardInterrupt | typer.Abort):
        return _endings.interrupted(as_json)
    if is_no_room(fault):
        return _endings.no_room(as_json)
    return _endings.no_memory(as_json) if _endings.is_no_memory(fault) else _endings.unexpected(fault, as_json)


def main() -> int:
    """The command line that was typed, to its exit code. The process ends with it: once all is said, Ctrl-C changes nothing."""
    for stream in (sys.stdout, sys.stderr):
        # A console with an old code page must not stop a run because a path or a pound sign cannot be shown.
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure:
            reconfigure(errors="backslashreplace")
    # `run` hears Ctrl-C itself and puts back what it found: without this, Python's own words for the instant after the last one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return run(sys.argv[1:])
