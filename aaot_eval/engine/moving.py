"""Files moved and removed where another program may hold them for a moment: on Windows a virus scanner, a viewer, an index."""

from __future__ import annotations

import os
import time
from pathlib import Path

TRIES, FIRST_PAUSE = 20, 0.05


def replace(source: Path, target: Path, tries: int = TRIES) -> None:
    """os.replace, tried again for some seconds. Raises PermissionError when the target stays held."""
    for attempt in range(tries):
        try:
            os.replace(source, target)
            return
        except PermissionError:
            if attempt == tries - 1:
                raise
            time.sleep(FIRST_PAUSE * (attempt + 1))


def remove(path: Path, tries: int = TRIES) -> None:
    """Remove a file that may be gone already, tried again for some seconds. Raises PermissionError when it stays held."""
    for attempt in range(tries):
        try:
            path.unlink(missing_ok=True)
            return
        except PermissionError:
            if attempt == tries - 1:
                raise
            time.sleep(FIRST_PAUSE * (attempt + 1))
