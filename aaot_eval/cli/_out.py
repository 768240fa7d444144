"""Files that a verb writes where the user says."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from aaot_eval.errors import InputError, Problem


def put(files: Mapping[Path, bytes], do: str) -> None:
    """Write all of these files or none: what stood there before stays until its successor is whole.

    A pipe or a device is written to as it is. Raises InputError (C130), with `do` as what to do next, where something cannot be written.
    """
    from aaot_eval.run_folder.files import replace

    staged: dict[Path, Path] = {}
    target = Path()
    try:
        for target, content in files.items():
            if target.exists() and not target.is_file():
                target.write_bytes(content)
                continue
            place = target.resolve()
            staged[place] = place.with_name(f".{place.name}_{os.getpid()}")
            staged[place].write_bytes(content)
        for place, new in staged.items():
            replace(new, place)
    except OSError as fault:
        raise InputError(Problem("C130", f"{target} cannot be written: {fault.strerror}", do=do)) from None
    finally:
        for new in staged.values():
            new.unlink(missing_ok=True)
