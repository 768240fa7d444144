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
def scratch(config: RunConfig) -> Iterator[Path]:
    """An owner-only folder in the config's work folder or beside the config, gone afterwards.

    Never in the system's temporary folder: spill files hold rows of patients.
    """
    home = config.path(config.output.work) if config.output.work else config.home
    made = not home.exists()
    try:
        home.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(prefix=".work_", dir=home, ignore_cleanup_errors=True)
    except OSError as fault:
        raise InputError(
            Problem("C130", f"nothing can be written to {home}: {fault.strerror}", do="name a folder under [output] work")
        ) from None
    try:
        with folder as path:
            yield Path(path)
    finally:
        if made:
            home.rmdir()
