"""A folder for the engine's spill files in verbs that leave nothing behind."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from aaot_eval.errors import InputError, Problem

if TYPE_CHECKING:
    from aaot_eval.config import RunConfig


PREFIX = ".work_"
# So old no command is that still needs its folder: `purge` asks the same.
LEFT_OVER = 86_400.0


@contextmanager
def scratch(*homes: Path) -> Iterator[Path]:
    """An owner-only folder in the first of these homes that can be written to, gone afterwards; so is what a command that was killed left there.

    Never in the system's temporary folder: spill files hold rows of patients.
    """
    for home in homes:
        made = not home.exists()
        try:
            home.mkdir(parents=True, exist_ok=True)
            folder = tempfile.TemporaryDirectory(prefix=PREFIX, dir=home, ignore_cleanup_errors=True)
        except OSError:
            continue
        break
    else:
        raise InputError(
            Problem("C130", f"nothing can be written to {' or '.join(map(str, homes))}",
                    do="start from a folder that can be written to, or name one under [output] work")
        )  # fmt: skip
    try:
        with folder as path:
            _clear_left_over(home)
            yield Path(path)
    finally:
        if made:
            home.rmdir()


def _clear_left_over(home: Path) -> None:
    """Remove the folders of commands that were killed a day ago or more: they hold rows of patients."""
    for left in home.glob(f"{PREFIX}*"):
        try:
            last = max(path.stat().st_mtime for path in (left, *left.rglob("*")))
        except OSError:  # going away as we look
            continue
        if left.is_dir() and last < time.time() - LEFT_OVER:
            shutil.rmtree(left, ignore_errors=True)


def homes_of(config: RunConfig) -> tuple[Path, ...]:
    """Where spill files of a study may lie: its work folder if it names one, else beside the config, else here."""
    if config.output.work:
        return (config.path(config.output.work),)
    return config.home, Path.cwd()
