"""What makes a run the same run: the resolved config, the content of the inputs, the program's own files and the sealed plan."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from aaot_eval.config import RunConfig
from aaot_eval.engine.kept import content_hash
from aaot_eval.run_folder.files import sha256
from aaot_eval.schema import shipped

HEX = 6


@dataclass(frozen=True, slots=True)
class InputFile:
    """One file that was given: its table, its name as the config gives it, its size and the hash of its bytes."""

    table: str
    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What makes a run the same run: the resolved config, the content of the inputs, the code and, where there is one, the sealed plan."""

    config: str
    code: str
    inputs: tuple[InputFile, ...]
    seal: str = ""

    @property
    def whole(self) -> str:
        """One hash over all of them; the names and places of the inputs do not count, their content does."""
        content = sorted((f.table, f.sha256) for f in self.inputs)
        return sha256(json.dumps([self.config, self.code, content, *([self.seal] if self.seal else [])]).encode())


def fingerprint(config: RunConfig, seal: str = "") -> Fingerprint:
    """The fingerprint of a study before it is run; files that are missing are left to the reader of that file to refuse.

    `seal` is the state of the sealed plan (`Seal.state`), which the page of a run tells of.
    """
    files = [
        InputFile(table, config.recorded(path), path.stat().st_size, content_hash(path))
        for table, paths in input_paths(config).items()
        for path in paths
        if path.is_file()
    ]
    return Fingerprint(config_hash(config), code_hash(), (*files, *_server_tables(config)), seal)


def _server_tables(config: RunConfig) -> list[InputFile]:
    """Tables of a database server or of Spark among the inputs, by a hash of their rows."""
    from aaot_eval.engine.database_tables import SPARK, is_table, table_of

    given = {name: getattr(config.data, name) for name in FILE_KEYS}
    named = [(k, t) for k, v in given.items() for t in ([v] if isinstance(v, str) else v or ()) if is_table(t)]
    of_spark = config.engine.name == "spark" and any(t.startswith(SPARK) for _, t in named)
    with _spark(config) if of_spark else nullcontext() as session:
        looked = [(k, t, table_of(t, config.engine.postgres, session).inspect()) for k, t in named]
    return [InputFile(k, t, seen.bytes, seen.sha256) for k, t, seen in looked]


@contextmanager
def _spark(config: RunConfig) -> Iterator[Any]:
    """A session of the study's Spark for as long as its tables are looked at."""
    from aaot_eval.engine.spark_session import open_session

    asked = config.engine
    # Never the system's temporary folder: what Spark spills could hold rows of people.
    home = config.path(config.output.work or config.output.runs)
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".work_", dir=home, ignore_cleanup_errors=True) as folder:
        opened = open_session(asked.address, None, Path(folder), asked.options, config.output.memory)
        try:
            yield opened.session
        finally:
            opened.session.stop()


def config_hash(config: RunConfig, *, window: bool = True) -> str:
    """The hash of the study with every default filled in, without the folders and servers that results, steps and rows kept go to.

    `window=False` leaves out how far the data go as well, and from when the control chart has new limits: the same study a month
    later has the same hash.
    """
    document = config.model_dump(mode="json")
    for place in ("runs", "work", "cache", "cache_limit"):
        del document["output"][place]
    document["engine"] = config.engine.name
    if not window:
        for key in ("complete_to", "extracted", "frozen_to"):
            del document["data"][key]
        del document["study"]["last_period"]
        del document["monthly"]["rebase"]
    return sha256(json.dumps(document, sort_keys=True).encode())


def counting_hash(config: RunConfig) -> str:
    """The hash of everything that decides which records are counted and how, whatever files and months there are.

    Two runs with the same hash can be compared month by month: what differs was changed in the data.
    """
    document = config.model_dump(mode="json")
    data = {k: document["data"][k] for k in ("formats", "columns", "dates", "person_key", "one_off_keys", "providers")}
    parts = {
        "data": data,
        "counting": document["counting"],
        "rules": [document["study"][k] for k in ("spell_rule", "stay_rule")],
    }
    return sha256(json.dumps(parts, sort_keys=True).encode())


def input_paths(config: RunConfig) -> dict[str, list[Path]]:
    """Every file the config names, by the key that names it. A person-key secret is not listed: its hash would be a clue."""
    given: dict[str, Any] = {name: getattr(config.data, name) for name in FILE_KEYS}
    if config.counting.code_list:
        given["code_list"] = config.counting.code_list
    if config.costs:
        given |= {"unit_costs": config.costs.unit_costs, "programme": config.costs.programme}
        if config.costs.price_index.lower().endswith(".csv"):  # else a shipped index, which is among the code
            given["price_index"] = config.costs.price_index
        if config.costs.outcome:
            given["utilities"] = config.costs.outcome.utilities
    found = {}
    for table, files in given.items():
        patterns = [files] if isinstance(files, str) else list(files or ())
        found[table] = [path for pattern in patterns for path in config.matching(pattern)]
    return {table: paths for table, paths in found.items() if paths}


FILE_KEYS = (
    "admissions",
    "attendances",
    "deaths",
    "caseload",
    "sites",
    "activity",
    "contacts",
    "denominators",
    "providers",
    "opt_out",
    "panel",
)


@cache
def code_hash() -> str:
    """The hash of the program's own files: two versions with one number are told apart."""
    package = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256()
    for home in (package, shipped("data_schemas")):
        for path in sorted(home.rglob("*")):
            if path.is_file() and path.suffix in _CODE_FILES and "_shipped" not in path.relative_to(home).parts:
                digest.update(path.relative_to(home).as_posix().encode() + b"\0")
                digest.update(path.read_bytes().replace(b"\r\n", b"\n") + b"\0")
    return digest.hexdigest()


_CODE_FILES = {".py", ".sql", ".json", ".csv", ".toml", ".html", ".css", ".j2", ".txt"}


def run_name(data_cut: str, print_: Fingerprint) -> str:
    """The name of a run's folder: the last period used and six hex digits of the fingerprint."""
    return f"{re.sub(r'[^A-Za-z0-9-]+', '-', data_cut)}_{print_.whole[:HEX]}"
