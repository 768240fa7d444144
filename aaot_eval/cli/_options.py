"""The options that several verbs share, each written once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from aaot_eval.config import RunConfig

ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="The study's .toml file.", show_default=False)]
RunFolderPath = Annotated[
    Path,
    typer.Argument(metavar="RUN", help="A run folder, or a study's folder (then its latest run).", show_default=False),
]
DataFolder = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="Where the paths in the config start, if not beside it.")
]
EngineName = Annotated[
    Literal["duckdb", "spark", "postgres"] | None,
    typer.Option("--engine", help="Database that runs the steps; default: the config's [engine].", show_default=False),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, also when the run refuses.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="More on stderr.")]

#: Where there is no terminal to ask, lines stay within what a scheduler's mail shows.
WIDTH = 80
#: The arguments of the command being carried out, for the record of a run.
typed: list[str] = []


def share(text: str) -> float:
    """A share as people write it: 0.23, 23 % or 23%. Whether it can be one is asked where it is used."""
    plain = str(text).strip()
    number = plain.removesuffix("%").strip()
    try:
        return float(number) / 100 if plain.endswith("%") else float(number)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a share; write 0.23 or 23 %") from None


def command_line() -> str:
    """The command as it can be typed again."""
    import shlex

    return shlex.join(["aaot-eval", *typed])


def with_engine(config: RunConfig, engine: str | None) -> RunConfig:
    """The config with the engine of the command line, when it names one."""
    return config.changed(engine__name=engine) if engine else config


def terminal_width() -> int:
    """Columns of the terminal; 80 where stdout is none, or so few that nothing could be read."""
    import shutil
    import sys

    return max(shutil.get_terminal_size((WIDTH, 24)).columns, 40) if sys.stdout.isatty() else WIDTH


def wrapped(line: str, indent: str = "    ") -> str:
    """One line folded at the width of the terminal; a path or a word is never cut."""
    import textwrap

    return textwrap.fill(
        line, terminal_width(), subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def answer(text: str, document: dict[str, Any], as_json: bool) -> None:
    """The one thing a verb puts on stdout: its text, or one ASCII-safe JSON document."""
    if as_json:
        import json

        typer.echo(json.dumps({"exit_status": 0, **document}, ensure_ascii=True, allow_nan=False))
    elif text:
        typer.echo(text)
