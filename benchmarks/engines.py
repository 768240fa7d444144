"""The same panels from every engine at a larger size, and what our layer over Spark costs.

    python -m benchmarks.engines [--size 3.7] [--study DIR] [--engines duckdb,postgres,spark,cluster,connect]
                                 [--layer-size 0.35] [--rounds 3] [--out docs/results]

Simulates a study (3.7 makes about a million episodes), takes it from extracts to panels on each engine in a process of its
own, and compares check sums of every panel. Then replays every step of a smaller study in one Spark session, in turns
through our layer and as the same rendered text given straight to `spark.sql`. Starts its own servers on loopback. Writes
engines.json and engines.md with the commit that made them.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.stamp import commit_now
from tests.services import postgres_server, spark_cluster, spark_connect

ROOT = Path(__file__).resolve().parent.parent
ENGINES = ("duckdb", "postgres", "spark", "cluster", "connect")
FRAMES = ("periods", "units", "cells", "people", "person_cells")
#: Set before the first run: what our layer over Spark may cost more than the same SQL given straight to it.
MOST_LAYER = 1.10
CONFIG = """config_version = 1
name = "engines"
[data]
admissions = "{study}/extracts/apc_*.csv"
attendances = "{study}/extracts/ed_*.csv"
caseload = "{study}/caseload.csv"
sites = "{study}/sites.csv"
deaths = "{study}/deaths.csv"
"""


def sums(frame: pd.DataFrame) -> str:
    """A check sum of a frame to the last row, value and type."""
    mark = hashlib.sha256("|".join(f"{c}:{t}" for c, t in frame.dtypes.items()).encode())
    mark.update(pd.util.hash_pandas_object(frame.convert_dtypes(), index=True).to_numpy().tobytes())
    return mark.hexdigest()[:16]


def one(config: str, engine: str, address: str, out: str) -> None:
    """One engine, in this process: seconds to the panels, rows, and a check sum of every panel."""
    from aaot_eval.config import load_config
    from aaot_eval.pipeline import prepare

    os.environ["AAOT_BENCH_POSTGRES"] = address
    changes: dict[str, Any] = {"engine__name": engine}
    if engine == "spark":
        local = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1", "spark.driver.memory": "3g"}
        options = {"spark.sql.shuffle.partitions": "8"} | ({} if address.startswith("sc:") else local)
        changes |= {"engine__spark": address, "engine__options": options}
    if engine == "postgres":
        changes["engine__postgres"] = "env:AAOT_BENCH_POSTGRES"
    began = time.perf_counter()
    found = prepare(load_config(config).changed(**changes))
    answer = {
        "engine": found.facts["engine"],
        "seconds": round(time.perf_counter() - began, 1),
        "episodes": sum(s.rows for s in found.sources if s.table == "admissions"),
        "sums": {name: sums(getattr(found.panel, name)) for name in FRAMES},
        "flow": hashlib.sha256(repr((found.flow, found.findings)).encode()).hexdigest()[:16],
    }
    Path(out).write_text(json.dumps(answer), "utf-8")


def layer(config: str, rounds: int, out: str) -> None:
    """Every step of a study in one session, in turns through our layer and straight to `spark.sql`; seconds of each round."""
    from aaot_eval.config import load_config
    from aaot_eval.engine.rendering import render
    from aaot_eval.engine.spark import SparkEngine
    from aaot_eval.engine.steps import step
    from aaot_eval.ingest import read_tables
    from aaot_eval.panel import build_panel

    asked = []

    class Recording(SparkEngine):
        """Keeps every table, and what was asked for."""

        def run(self, step: str, **parameters: Any) -> None:
            asked.append((step, parameters))
            super().run(step, **parameters)

        def drop(self, *tables: str) -> None:
            """Nothing goes before the end."""

    study = load_config(config)
    times: dict[str, list[float]] = {"layer": [], "straight": []}
    with tempfile.TemporaryDirectory() as work:
        engine = Recording(Path(work), "local[2]", options={"spark.sql.shuffle.partitions": "8"})
        try:
            build_panel(read_tables(study, engine), study)
            steps = list(asked)
            spark = engine.session
            spark.sql("CREATE DATABASE straight").collect()
            for n in range(rounds):
                for kind in ("layer", "straight") if n % 2 == 0 else ("straight", "layer"):
                    # As in a run: a step's table is new, so that making it drops no older one.
                    engine._tables.clear()
                    began = time.perf_counter()
                    for i, (name, parameters) in enumerate(steps):
                        if kind == "layer":
                            SparkEngine.run(engine, name, **parameters)
                        else:
                            made = step(name, **parameters)
                            spark.sql(render(made.query, "spark")).write.saveAsTable(f"straight.t{n}_{i}")
                            spark.table(f"straight.t{n}_{i}").createOrReplaceTempView(made.makes)
                    times[kind].append(round(time.perf_counter() - began, 2))
            spark.sql("DROP DATABASE straight CASCADE").collect()
        finally:
            engine.close()
    Path(out).write_text(json.dumps({"steps": len(steps), **times}), "utf-8")


@contextlib.contextmanager
def at(engine: str) -> Iterator[tuple[str, str]]:
    """The name and the address of an engine, its server running."""
    if engine == "postgres":
        with postgres_server() as address:
            yield "postgres", address
    elif engine == "cluster":
        with spark_cluster(memory="2g") as cluster:
            yield "spark", cluster.address
    elif engine == "connect":
        with spark_connect(java="") as servers:
            yield "spark", servers.address
    else:
        yield engine, "local[2]" if engine == "spark" else ""


def apart(*arguments: str) -> dict[str, Any]:
    """This module in a process of its own; its answer."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "answer.json"
        subprocess.run([sys.executable, "-m", "benchmarks.engines", *arguments, str(out)], cwd=ROOT, check=True,
                       env={**os.environ, "PYTHONPATH": str(ROOT), "SPARK_LOCAL_IP": "127.0.0.1"})  # fmt: skip
        answer: dict[str, Any] = json.loads(out.read_text("utf-8"))
        return answer


def config_of(study: Path, folder: Path, size: float) -> str:
    """The config over a study, simulated unless it is there."""
    from aaot_eval.synthetic import simulate_study

    if not study.exists():
        simulate_study(study, size=size, seed=4)
    path = folder / f"{study.name}_{size}.toml"
    path.write_text(
        CONFIG.format(study=study.resolve().as_posix()) + f'[output]\nruns = "{folder.as_posix()}/runs"\n', "utf-8"
    )
    return str(path)


def text_of(found: dict[str, Any]) -> str:
    """The result as a page."""
    rows = found["engines"]
    first = next(iter(rows.values()))
    lines = [
        "# The same panels from every engine",
        "",
        f"`{found['command']}` at commit {found['commit']}, {found['cores']} cores, load {found['load']:.0f} when it began"
        " (other programs ran beside it: the equality is exact, the seconds are not a race).",
        "",
        "| engine | episodes | extracts to panels, s | all panels, flow and findings as DuckDB's |",
        "|---|---|---|---|",
    ]
    for row in rows.values():
        same = "yes" if (row["sums"], row["flow"]) == (first["sums"], first["flow"]) else "NO"
        lines.append(f"| {row['engine']} | {row['episodes']:,} | {row['seconds']:.1f} | {same} |")
    if found.get("layer"):
        over = found["layer"]
        ratios = [a / b for a, b in zip(over["layer"], over["straight"], strict=True)]
        held = "held" if statistics.median(ratios) <= MOST_LAYER else "NOT held"
        lines += ["", f"{over['steps']} steps on Spark (local[2], {over['episodes']:,} episodes), in turns: through our layer {over['layer']} s, "
                      f"the same text straight to `spark.sql` {over['straight']} s: median ratio {statistics.median(ratios):.2f} "
                      f"(goal at most {MOST_LAYER}: {held})."]  # fmt: skip
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run what was asked for and store it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=float, default=3.7)
    parser.add_argument("--study", type=Path, default=None, help="a study that `simulate` wrote; else one is simulated")
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--layer-size", type=float, default=0.35, help="0 leaves this part out")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results")
    asked = parser.parse_args()
    commit = commit_now()
    found: dict[str, Any] = {
        "command": f"python -m benchmarks.engines --size {asked.size:g} --engines {asked.engines} --layer-size {asked.layer_size:g}"
        f" --rounds {asked.rounds}",
        "commit": commit, "cores": os.cpu_count(), "load": os.getloadavg()[0], "engines": {},
    }  # fmt: skip
    asked.out.mkdir(parents=True, exist_ok=True)

    def store() -> None:
        (asked.out / "engines.json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")
        (asked.out / "engines.md").write_text(text_of(found), "utf-8")

    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        config = config_of(asked.study or home / "study", home, asked.size)
        for name in asked.engines.split(","):
            with at(name) as (engine, address):
                found["engines"][name] = apart("one", config, engine, address)
            store()
            print(name, found["engines"][name], flush=True)
        if asked.layer_size:
            small = config_of(home / "small", home, asked.layer_size)
            found["layer"] = apart("layer", small, str(asked.rounds))
            found["layer"]["episodes"] = apart("one", small, "duckdb", "")["episodes"]
            store()
    print(text_of(found))


if __name__ == "__main__":
    if sys.argv[1:2] == ["one"]:
        one(*sys.argv[2:])
    elif sys.argv[1:2] == ["layer"]:
        layer(sys.argv[2], int(sys.argv[3]), sys.argv[4])
    else:
        main()
