"""A Spark session: handed in by the platform, reached through Spark Connect, on a cluster, or in this machine.

Opened here, it writes no console lines, shows no page, and spills into the run's own folder.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import socket
import subprocess
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aaot_eval.errors import InputError, Problem

ADDRESSES = 'spark = "local[2]", "spark://host:7077" or "sc://host:15002" under [engine]; or the variable SPARK_REMOTE'
JAVA = 17
SECONDS_TO_CONNECT = 5


@dataclass(frozen=True, slots=True)
class Opened:
    """A session, whether it was opened here, where it runs, and whether it sees files that this process writes."""

    session: Any
    own: bool
    where: str
    sees_files: bool


def open_session(
    address: str | None, session: Any, folder: Path, options: Mapping[str, str], memory: str | None
) -> Opened:
    """The session that the steps run in: the one handed in, else that of `address`, else SPARK_REMOTE, else this machine.

    Raises InputError without the extra, without Java where a JVM is needed, and without an answer from the address.
    """
    if session is not None:
        return Opened(session, own=False, where="session of the platform", sees_files=False)
    _need_extra()
    # No pandas frame is given to Spark or taken from it: everything goes through Arrow.
    warnings.filterwarnings("ignore", message="PySpark does not yet fully support pandas", category=FutureWarning)
    where = address or os.environ.get("SPARK_REMOTE") or "local[*]"
    if where.startswith("sc://"):
        _need_answer(where)
        return Opened(_remote(where, options), own=True, where="Spark Connect", sees_files=False)
    if where.startswith("spark://"):
        _need_java()
        _need_answer(where)
        return Opened(_classic(where, folder, options, memory), own=True, where="standalone cluster", sees_files=True)
    if re.fullmatch(r"local(\[(\d+|\*)\])?", where):
        _need_java()
        return Opened(_classic(where, folder, options, memory), own=True, where=where, sees_files=True)
    raise InputError(
        Problem("C216", "the address of Spark cannot be read", where="engine.spark", allowed=ADDRESSES,
                do="write one of these")
    )  # fmt: skip


def _remote(where: str, options: Mapping[str, str]) -> Any:
    from pyspark.sql.connect.session import SparkSession

    with lost("opening a Spark Connect session"):
        session = SparkSession.builder.remote(where).getOrCreate()
        for key, value in options.items():
            session.conf.set(key, value)
        session.sql("SELECT 1").collect()
    return session


def _classic(where: str, folder: Path, options: Mapping[str, str], memory: str | None) -> Any:
    from pyspark.sql import SparkSession

    settings = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "OFF",
        "spark.local.dir": str(folder / "spill"),
        "spark.sql.warehouse.dir": (folder / "warehouse").as_uri(),
        "spark.sql.catalogImplementation": "in-memory",
    }
    if where.startswith("local"):
        # Nothing outside this machine is to be reached, and its own name may not resolve.
        settings |= {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
        settings |= {"spark.sql.shuffle.partitions": str(2 * (os.cpu_count() or 1))}
        settings |= {"spark.driver.memory": _java_size(memory)} if memory else {}
    # A library that turns logging on would show each end of a connection to the JVM.
    logging.getLogger("py4j").setLevel(logging.ERROR)
    (folder / "spill").mkdir(parents=True, exist_ok=True, mode=0o700)
    builder = SparkSession.builder.master(where).appName("aaot-eval")
    for key, value in {**settings, **options}.items():
        builder = builder.config(key, value)
    with lost("opening a session"), _silent_launch():
        return builder.getOrCreate()


@contextmanager
def _silent_launch() -> Iterator[None]:
    """Without the lines that a JVM writes before it can be told not to: it inherits the stream of errors once, here."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _java_size(memory: str) -> str:
    """`1.5GB` as the JVM writes it: 1536m. A tenth of a gigabyte more would already be another size."""
    found = re.fullmatch(r"([\d.]+)\s*([KMGT])i?B", memory, re.IGNORECASE)
    if not found:
        raise InputError(Problem("C104", "output.memory is not a size", where="output.memory", do="write 1GB or 500MB"))
    power = "KMGT".index(found[2].upper()) - 1
    return f"{max(int(float(found[1]) * 1024**power), 512)}m"


def _need_extra() -> None:
    try:
        import pyspark  # noqa: F401
        import sqlglot  # noqa: F401
    except ImportError:
        raise InputError(
            Problem("C210", "Spark needs an extra that is not installed", where="engine",
                    do='install it: pip install "aaot-eval[spark]"')
        ) from None  # fmt: skip


def java_version() -> int | None:
    """The version of the Java that Spark would start; None when there is none."""
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=str(Path(home) / "bin")) if home else shutil.which("java")
    if not java:
        return None
    said = subprocess.run([java, "-version"], capture_output=True, timeout=60, check=False).stderr  # noqa: S603
    found = re.search(rb'version "(?:1\.)?(\d+)', said)
    return int(found[1]) if found else None


def _need_java() -> None:
    version = java_version()
    if version is None or version < JAVA:
        what = "there is no Java" if version is None else f"Java {version} is too old"
        raise InputError(
            Problem("C211", f"Spark needs Java {JAVA} or newer: {what}", where="JAVA_HOME, or java in the path",
                    do="install it from the system: apt-get install openjdk-17-jre-headless, or Temurin 17 on Windows")
        )  # fmt: skip


def _need_answer(where: str) -> None:
    """A refusal at once where Spark itself would try for minutes."""
    listed = re.findall(r"([^/,:;]+|\[[^\]]+\]):(\d+)", where.partition("://")[2].partition("/")[0])
    if not listed and where.startswith("sc://"):
        listed = [(where.removeprefix("sc://").partition("/")[0], "15002")]
    for host, port in listed:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=SECONDS_TO_CONNECT).close()
        except OSError:
            continue
        return
    raise InputError(
        Problem("C212", "no Spark server answers at the address given", where="engine.spark", allowed=ADDRESSES,
                do="check the address and that the server runs; --engine duckdb needs no server")
    )  # fmt: skip


def errors() -> tuple[type[Exception], ...]:
    """What Spark raises when something is wrong with it."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    found: tuple[type[Exception], ...] = (PySparkException, Py4JError, ConnectionError, RuntimeError)
    try:
        import grpc
    except ImportError:
        return found
    return (*found, grpc.RpcError)


@contextmanager
def lost(doing: str) -> Iterator[None]:
    """A refusal in words when Spark fails; its own message may hold values and is not shown."""
    try:
        yield
    except errors() as fault:
        condition = getattr(fault, "getCondition", lambda: None)() or "no condition"
        raise InputError(
            Problem("C217", f"Spark stopped while {doing} ({type(fault).__name__}, {condition})", where="engine.spark",
                    do="look into Spark's own log; its memory and disk space; then run again")
        ) from None  # fmt: skip
