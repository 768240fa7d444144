"""A folder for the engine's spill files in verbs that leave nothing behind."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from aaot_eval.errors import InputError, Problem

if TYPE_CHECKING:
    from aaot_eval.config import RunConfig


@contextmanager
def scratch(*homes: Path) -> Iterator[Path]:
    """An owner-only folder in the first of these homes that can be written to, gone afterwards.

    Never in the system's temporary folder: spill files hold rows of patients.
    """
    for home in homes:
        made = not home.exists()
        try:
            home.mkdir(parents=True, exist_ok=True)
            folder = tempfile.TemporaryDirectory(prefix=".work_", dir=home, ignore_cleanup_errors=True)
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
            yield Path(path)
    finally:
        if made:
            home.rmdir()


def homes_of(config: RunConfig) -> tuple[Path, ...]:
    """Where spill files of a study may lie: its work folder if it names one, else beside the config, else here."""
    if config.output.work:
        return (config.path(config.output.work),)
    return config.home, Path.cwd()
