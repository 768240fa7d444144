"""The command line: the verbs, their grouped help, and the one place where an error becomes an exit code.

Only typer is imported here and in the verbs; each verb imports what it runs when it runs, so that `--help` is quick.
"""

from __future__ import annotations

import signal
import sys
from importlib import import_module
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from aaot_eval.errors import AaotEvalError, ExitCode

VERBS: dict[str, tuple[str, ...]] = {
    "Everyday": ("init", "check", "analyze", "report"),
    "Review": ("verify", "reproduce", "explain"),
    "Planning": ("simulate",),
}
ALIASES = {"analyse": "analyze"}

# The parser's own errors. typer carries its parser inside, or uses click, by version; this base class is the same in both.
_CommandLineFault: Any = typer.BadParameter.__base__


class _GroupedHelp(TyperGroup):
    """Lists the verbs under the headings of `VERBS`."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        for heading, verbs in VERBS.items():
            with formatter.section(heading):
                formatter.write_dl([(verb, self.commands[verb].get_short_help_str(64)) for verb in verbs])


app = typer.Typer(
    name="aaot-eval",
    cls=_GroupedHelp,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["--help", "-h"]},
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


for _verb in (verb for verbs in VERBS.values() for verb in verbs):
    _command = getattr(import_module(f"aaot_eval.cli.{_verb}"), _verb)
    app.command(_verb)(_command)
    for _alias in (alias for alias, verb in ALIASES.items() if verb == _verb):
        app.command(_alias, hidden=True)(_command)


def run(arguments: list[str]) -> int:
    """Carry out one command line and return its exit code. Every ending of a run passes through here."""
    from aaot_eval.cli import _endings, _options

    _options.typed[:] = arguments
    stopped = False

    def stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal stopped
        stopped = True
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    as_json = "--json" in arguments
    try:
        ended = app(arguments, prog_name="aaot-eval", standalone_mode=False)
        if stopped:  # typer swallows the interruption and returns its code
            return _endings.interrupted(as_json)
        return ended if isinstance(ended, int) else ExitCode.DONE
    except _CommandLineFault as fault:
        return _endings.command_line(fault, as_json)
    except AaotEvalError as fault:
        return _endings.refusal(fault, as_json)
    except (KeyboardInterrupt, typer.Abort):
        return _endings.interrupted(as_json)
    except Exception as fault:  # noqa: BLE001 - the outermost frame: anything else is a fault of ours
        # A library may wrap the interruption in an error of its own.
        return _endings.interrupted(as_json) if stopped else _endings.unexpected(fault, as_json)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def main() -> NoReturn:
    """The entry point `aaot-eval`."""
    for stream in (sys.stdout, sys.stderr):
        # A console with an old code page must not stop a run because a path or a pound sign cannot be shown.
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure:
            reconfigure(errors="backslashreplace")
    sys.exit(run(sys.argv[1:]))
