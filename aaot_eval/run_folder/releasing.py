"""A release: what may leave of a run, in a folder of its own, with a list for whoever checks it.

The folder is laid out as a run without `restricted/`, so that `verify`, `report` and `compare` take it. Of the record and the config it
holds what `KEPT` and `leaving_config` let through; the same run gives the same bytes whenever it is released.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterator, Mapping, MutableMapping, MutableSequence, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import pandas as pd

from aaot_eval.errors import InputError, Problem, VerifyMismatchError
from aaot_eval.results import Release
from aaot_eval.run_folder.crate import METADATA, crate_metadata
from aaot_eval.run_folder.files import json_bytes, sha256
from aaot_eval.run_folder.parcel import write_parcel
from aaot_eval.run_folder.reading import RunFolder

#: What of `manifest.json` leaves as it is. Whatever is added to the record stays inside until it is named here.
KEPT = (
    "run", "run_sha256", "tool", "python", "packages", "seed", "config_sha256", "study_sha256", "counting_sha256", "code_lists",
    "disclosure_profile", "as_of", "times", "data_cut", "period_kind", "refresh",
)  # fmt: skip
#: What of it stays, and why; this stands in the release.
WITHHELD = {
    "command": "it holds folders and names of users",
    "system": "its release number, which tells how far a computer is patched; its name is kept",
    "secret_fingerprint": "guesses of the secret behind person keys could be tried on it",
    "plan": "it stands in release/about.json; its log, plan_log.txt, stays with the study",
    "gates": "where each was found: it stands in release/tables/data_quality.csv",
    "inputs": "sizes and exact rows: the rows of a file of people count people, so they are hidden and rounded as other counts are",
    "outputs": "names and hashes in restricted/: the hash of an exact table tells a right guess of its hidden cells from a wrong one",
}
#: Keys of the config whose texts stay, and why. Of any other text that is a path outside the study's folder the last part leaves.
PRIVATE = {
    "data.one_off_keys": "they may be the beginnings of keys of people",
    "data.person_key.secret_file": "where the secret lies",
    "engine.spark": "the address of a server",
    "engine.postgres": "the address of a server",
    "engine.folder": "a folder of the secure environment",
    "engine.options": "settings of a server",
    "output.reason": "why rows of people are kept, which stay inside",
}
LEFT_OUT = "(left out)"
NO_LICENCE = "Not stated: the owner of the data decides who may use these results, and how."
LIST, README = "files.csv", "README.txt"

AsCsv = Callable[[pd.DataFrame], str]


@dataclass(frozen=True, slots=True)
class Leaving:
    """One file of `release/` as the output checker is told of it; `path` from the run's folder on."""

    path: str
    what: str
    rows: int | None
    smallest: int | None
    hidden: Mapping[str, int]


def released_files(run: RunFolder) -> dict[str, bytes]:
    """The files of `release/` by their path from the run's folder on; VerifyMismatchError (V602) when one is not what was written."""
    files = {}
    for entry in run.manifest["outputs"]:
        if entry.get("release"):
            files[entry["path"]] = content = (run.path / entry["path"]).read_bytes()
            if sha256(content) != entry["sha256"]:
                raise VerifyMismatchError(
                    Problem(
                        "V602",
                        f"{entry['path']} is not the file that was written",
                        do="do not rely on it; run again with --force",
                    )
                )
    return files


def write_release(
    run: RunFolder,
    release: Release,
    files: Mapping[str, bytes],
    leaving: Sequence[Leaving],
    folder: Path,
    *,
    as_csv: AsCsv,
    licence: str | None = None,
    crate: bool = False,
) -> Path:
    """Write a release of a run to a new folder, in one step; `files` and `leaving` are the same files of `release/`.

    InputError: the folder is there (C132), or cannot be written (C130).
    """
    if folder.exists():
        raise InputError(
            Problem("C132", f"{folder} is there already", do="name with --to a folder that does not exist")
        )
    config, private = leaving_config(run.config_file.read_text("utf-8"))
    record = _record(run, release, private)
    content = {**files, "config.toml": config.encode("utf-8")}
    content[README] = _readme(record, release, leaving, licence or NO_LICENCE, crate=crate).encode("utf-8")
    told = [
        *leaving,
        Leaving("config.toml", "The study with every default written out", None, None, {}),
        Leaving(README, "What this folder is", None, None, {}),
    ]
    content[LIST] = as_csv(_list(told, content, release.profile)).encode("utf-8")
    if crate:
        said = {entry.path: entry.what for entry in told} | {
            LIST: "The list for the output checker",
            "manifest.json": "The record of the run",
        }
        content[METADATA] = json_bytes(crate_metadata(record, release, content, said, licence or NO_LICENCE))
    return write_parcel(folder, content, record, option="--to", release=set(files))


def leaving_config(text: str) -> tuple[str, list[str]]:
    """A resolved config as it may leave, and the keys whose texts stay."""
    import tomlkit

    document = tomlkit.parse(text)
    private = []
    for place, key, path in _texts(document, ""):
        held = next((name for name in PRIVATE if f"{path}.".startswith(f"{name}.")), None)
        shown = LEFT_OUT if held else _last_part(place[key])
        if held and held not in private:
            private.append(held)
        if shown != place[key]:
            place[key] = shown
    return tomlkit.dumps(document), private


def _texts(node: Any, path: str) -> Iterator[tuple[Any, Any, str]]:
    """Every text below a part of the config: what holds it, under which key or number, and the path of its key."""
    inside = node.items() if isinstance(node, MutableMapping) else enumerate(node)
    for key, value in list(inside):
        named = path if isinstance(node, MutableSequence) else f"{path}.{key}" if path else str(key)
        if isinstance(value, str):
            yield node, key, named
        elif isinstance(value, MutableMapping | MutableSequence):
            yield from _texts(value, named)


def _last_part(text: str) -> str:
    """A text; of a path outside the study's folder the last part alone, on whichever system it was written."""
    path = PureWindowsPath(text)
    outside = path.root or ".." in path.parts or text.startswith("~")
    return path.name or LEFT_OUT if outside else text


def _record(run: RunFolder, release: Release, private: Sequence[str]) -> dict[str, Any]:
    """The manifest as it may leave, without its outputs."""
    manifest = run.manifest
    rows = {(s.get("table"), s.get("sha256")): s.get("rows") for s in release.meta.get("sources", ())}
    system = str(manifest.get("system", "")).split()
    return {
        "released": True,
        **{key: manifest[key] for key in KEPT if key in manifest},
        "system": " ".join(dict.fromkeys([*system[:1], *system[2:]])),
        "secret_fingerprint": None,
        "gates": [{k: g.get(k) for k in ("code", "level", "title")} for g in manifest.get("gates", ())],
        "inputs": [
            {"table": f["table"], "path": f["path"], "rows": rows.get((f["table"], f["sha256"])), "sha256": f["sha256"]}
            for f in manifest["inputs"]
        ],
        "left_out": {key: why for key, why in WITHHELD.items() if manifest.get(key)}
        | {f"config.toml: {key}": PRIVATE[key] for key in private},
    }


def _list(told: Sequence[Leaving], content: Mapping[str, bytes], profile: str) -> pd.DataFrame:
    """One row for each file, for the output checker."""
    return pd.DataFrame(
        {
            "file": entry.path,
            "what": entry.what,
            "profile": profile,
            "rows": entry.rows,
            "smallest_count": entry.smallest,
            "hidden_cells": sum(entry.hidden.values()) if entry.rows is not None else None,
            "hidden_in": "; ".join(f"{column} {n}" for column, n in entry.hidden.items()),
            "sha256": sha256(content[entry.path]),
        }
        for entry in told
    ).astype(dict.fromkeys(("rows", "smallest_count", "hidden_cells"), "Int64"))


def _rule(release: Release) -> str:
    """What the disclosure profile does, in one sentence."""
    rule = release.meta.get("disclosure") or {}
    if rule.get("national"):
        return "the figures are of a whole nation, so NO count was hidden or rounded"
    if rule.get("hide_to", -1) < rule.get("hide_from", 0):
        return "it hides and rounds NO count"
    rounded = (
        f"others are rounded to the nearest {rule['round_to']}" if rule["round_to"] > 1 else "others are as counted"
    )
    return f"counts from {rule['hide_from']} to {rule['hide_to']} are shown as {rule['symbol']}, {rounded}"


def _readme(
    record: Mapping[str, Any], release: Release, leaving: Sequence[Leaving], licence: str, *, crate: bool
) -> str:
    # Parquet holds the cells of the CSV file beside it a second time.
    tables = [entry for entry in leaving if entry.rows is not None and entry.path.endswith(".csv")]
    hidden = {PurePosixPath(t.path).stem: sum(t.hidden.values()) for t in tables if t.hidden}
    smallest = min((t.smallest for t in tables if t.smallest is not None), default=None)
    cells = f": {', '.join(f'{name} {n}' for name, n in hidden.items())}" if hidden else ""
    holds = {
        "release/": "start with release/report.html; each number of it is in release/tables/",
        LIST: "one row for each file: what it is, rows, smallest count, hidden cells, SHA-256",
        "config.toml": "the study with every default written out",
        "manifest.json": "what was read and what is here, with hashes",
        **({METADATA: "the same for programs: an RO-Crate with the profile Process Run Crate"} if crate else {}),
    }
    commands = {
        "aaot-eval verify FOLDER": "is every file as it was written",
        "aaot-eval report FOLDER": "the page again, from the tables",
        "aaot-eval compare A B": "what differs between two releases",
    }
    lines = [
        str(release.meta["title"]),
        f"Results of run {record['run']} of aaot-eval {record['tool']['version']}, data to {record['data_cut']}. They may leave once the "
        "output checker agrees.",
        "",
        *_columns(holds),
        "",
        "For the output checker",
        "",
        f"- Disclosure profile {release.profile}: {_rule(release)}.",
        f"- Files of results: {len(leaving)}; {len(tables)} tables among them, each as .csv and again as .parquet.",
        f"- Smallest count above 0: {'none is shown' if smallest is None else smallest}.",
        f"- Hidden cells: {sum(hidden.values())}{cells}.",
        "- Every file of results was compared with the record of the run, and looked at once more for kinds of file, columns, counts "
        "against the profile and NHS numbers. Whether sentences and figures may leave is for people to judge.",
        "",
        "Not here",
        "",
        "- restricted/ of the run: exact tables, rejected lines, the log, rows of people.",
        *(f"- {key}: {why}." for key, why in record["left_out"].items()),
        "",
        "Outside",
        "",
        *_columns(commands),
        "",
        f"Licence: {licence}",
    ]
    return "\n".join(_folded(line) for line in lines) + "\n"


def _columns(about: Mapping[str, str]) -> list[str]:
    width = max(map(len, about)) + 2
    return [f"{name:<{width}}{text}" for name, text in about.items()]


def _folded(line: str) -> str:
    """A line of at most 80 columns; what goes on stands under the words, not under the name or the dash before them."""
    before = re.match(r"- |\S+(?: \S+)*  +", line)
    return textwrap.fill(
        line,
        80,
        subsequent_indent=" " * (before.end() if before else 0),
        break_long_words=False,
        break_on_hyphens=False,
    )
