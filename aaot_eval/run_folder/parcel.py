"""A folder of results that is no run: built beside its place under a hidden name, then moved there in one step."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

from aaot_eval.errors import InputError, Problem
from aaot_eval.run_folder.files import sha256, write_bytes, write_json
from aaot_eval.run_folder.study import PARTIAL
from aaot_eval.run_folder.writing import move_into_place


def write_parcel(
    folder: Path,
    files: Mapping[str, bytes],
    about: Mapping[str, object],
    *,
    option: str = "--out",
    release: Collection[str] | None = None,
) -> Path:
    """Write the files by their names in the folder, with a `manifest.json` of their hashes; nothing half-written stays.

    An earlier folder of that name is replaced when the new one stands. Where `release` names files, the manifest says of each file whether
    it is one of them, as that of a run does. InputError (C130) when nothing can be written; `option` gives another folder.
    """
    partial = folder.with_name(f"{PARTIAL}{folder.name}_{os.getpid()}")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for name, content in files.items():
            write_bytes(partial / name, content)
        outputs = [
            {"path": name, "bytes": len(files[name]), "sha256": sha256(files[name]),
             **({} if release is None else {"release": name in release})}
            for name in sorted(files)
        ]  # fmt: skip
        write_json(partial / "manifest.json", {**about, "outputs": outputs})
        move_into_place(partial, folder)
    except OSError as fault:
        raise InputError(
            Problem("C130", f"{folder} cannot be written: {fault.strerror or type(fault).__name__}",
                    do=f"give another folder with {option}")
        ) from None  # fmt: skip
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder
