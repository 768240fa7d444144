"""Real servers for tests and benchmarks: a PostgreSQL cluster, a Spark cluster of three processes, a Spark Connect server.

Each is started in a folder of its own, on loopback, by an unprivileged user where the program asks for one, and ended by
its own process group. A machine without the programs skips by name; with AAOT_REQUIRE_ENGINES set that is a failure.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from aaot_eval.engine.spark_session import java_version

# A busy machine starts a JVM in a minute where a quiet one takes six seconds.
SECONDS_TO_START = 180
LOOPBACK = "127.0.0.1"


def missing(what: str) -> None:
    """Skips by name, or fails where the engines are required."""
    if os.environ.get("AAOT_REQUIRE_ENGINES"):
        pytest.fail(f"AAOT_REQUIRE_ENGINES is set and {what}")
    pytest.skip(what)


def need_java() -> None:
    """Skips when there is no Java that Spark runs on, or no Spark."""
    try:
        import pyspark  # noqa: F401
    except ImportError:
        missing("the extra aaot-eval[spark] is not installed")
    if (java_version() or 0) < 17 or os.name != "posix":
        missing("Java 17 is not installed")


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _answers(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < end:
        if process.poll() is not None:
            raise ChildProcessError(f"the server on port {port} ended with {process.returncode}")
        with contextlib.suppress(OSError):
            socket.create_connection((LOOPBACK, port), timeout=0.5).close()
            return
        time.sleep(0.2)
    raise TimeoutError(f"nothing listens on port {port} after {SECONDS_TO_START} s")


# PostgreSQL -----------------------------------------------------------------------------------------------------------


def _programs() -> Path | None:
    found = shutil.which("initdb")
    if found:
        return Path(found).parent
    kept = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name), reverse=True)
    return next((p for p in kept if (p / "initdb").exists()), None)


@contextlib.contextmanager
def postgres_server() -> Iterator[str]:
    """The address of a new PostgreSQL cluster with one empty database, gone afterwards."""
    programs = _programs()
    if programs is None:
        missing("PostgreSQL server programs are not installed")
    assert programs is not None
    home = Path(tempfile.mkdtemp(prefix="aaot_pg_"))
    user = {}
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        # The server refuses to run as root.
        user = {"user": "nobody", "group": home.stat().st_gid, "extra_groups": []}
        shutil.chown(home, "nobody")
    port = free_port()

    def call(name: str, *arguments: str) -> None:
        # No pipes: the server would inherit them and keep them open.
        subprocess.run([str(programs / name), "-D", str(home / "data"), *arguments], check=True, timeout=SECONDS_TO_START,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=home, **user)  # fmt: skip

    try:
        # A collation of people, in which "a" stands before "B": no count may depend on it.
        call("initdb", "-U", "tester", "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8", "--locale-provider=icu",
             "--icu-locale=en-GB")  # fmt: skip
        options = f"-p {port} -k '' -c listen_addresses={LOOPBACK} -c fsync=off"
        call("pg_ctl", "-w", "-o", options, "-l", str(home / "log"), "start")
        try:
            yield f"postgresql://tester@{LOOPBACK}:{port}/postgres"
        finally:
            call("pg_ctl", "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(home, ignore_errors=True)


# Spark ----------------------------------------------------------------------------------------------------------------


# For a study of some hundred rows: no second compiler and no collector with threads of its own beside the work.
SMALL_JAVA = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"


@dataclass
class SparkServers:
    """Servers that belong together: their address, their folder and their processes."""

    folder: Path
    address: str = ""
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, name: str, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        """One more process, with its output in `<name>.log`."""
        import pyspark

        home = Path(pyspark.__file__).parent
        set_here = {
            "SPARK_HOME": str(home), "PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": LOOPBACK,
            "SPARK_LOCAL_DIRS": str(self.folder / "spill"), "SPARK_DAEMON_JAVA_OPTS": SMALL_JAVA,
        }  # fmt: skip
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [str(home / "bin" / program), *arguments], env={**os.environ, **set_here}, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True, cwd=self.folder,
            )  # fmt: skip
        self.processes.append(process)
        return process

    def end(self) -> None:
        """Every process with those it started: executors are children of their worker."""
        for process in reversed(self.processes):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait(20)

    def log(self, name: str) -> str:
        """What a process has said so far."""
        return (self.folder / f"{name}.log").read_text("utf-8", errors="replace")


@contextlib.contextmanager
def _servers() -> Iterator[SparkServers]:
    need_java()
    with tempfile.TemporaryDirectory(prefix="aaot_spark_", ignore_cleanup_errors=True) as folder:
        servers = SparkServers(Path(folder))
        try:
            yield servers
        finally:
            servers.end()


@contextlib.contextmanager
def spark_cluster(workers: int = 2, memory: str = "1g") -> Iterator[SparkServers]:
    """A standalone cluster: one master and its workers, each a process of its own with one core."""
    with _servers() as servers:
        port = free_port()
        servers.address = f"spark://{LOOPBACK}:{port}"
        deploy = "org.apache.spark.deploy"
        master = servers.start("master", "spark-class", f"{deploy}.master.Master", "--host", LOOPBACK, "--port", str(port),
                               "--webui-port", "0")  # fmt: skip
        _answers(port, master)
        for i in range(workers):
            servers.start(f"worker{i}", "spark-class", f"{deploy}.worker.Worker", "--host", LOOPBACK, "--cores", "1", "--memory", memory,
                          "--webui-port", "0", "--work-dir", str(servers.folder / f"work{i}"), servers.address)  # fmt: skip
        end = time.monotonic() + SECONDS_TO_START
        while servers.log("master").count("Registering worker") < workers and time.monotonic() < end:
            time.sleep(0.2)
        yield servers


@contextlib.contextmanager
def spark_connect(java: str = SMALL_JAVA) -> Iterator[SparkServers]:
    """A Spark Connect server in a process of its own."""
    with _servers() as servers:
        port = free_port()
        settings = {
            "spark.connect.grpc.binding.port": port, "spark.connect.grpc.binding.address": LOOPBACK,
            "spark.driver.host": LOOPBACK, "spark.driver.bindAddress": LOOPBACK, "spark.ui.enabled": "false",
            "spark.sql.warehouse.dir": servers.folder / "warehouse", "spark.sql.shuffle.partitions": 2,
            **({"spark.driver.extraJavaOptions": java} if java else {}),
        }  # fmt: skip
        given = [part for key, value in settings.items() for part in ("--conf", f"{key}={value}")]
        server = servers.start("connect", "spark-submit", "--class", "org.apache.spark.sql.connect.service.SparkConnectServer",
                               "--master", "local[2]", *given, "--name", "aaot-eval-test", "spark-internal")  # fmt: skip
        _answers(port, server)
        servers.address = f"sc://{LOOPBACK}:{port}"
        yield servers
