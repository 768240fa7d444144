"""One study on one engine in a process of its own: `python -m tests.engine_run CONFIG ENGINE ADDRESS OUT [handed_in | analysed]`.

Spark keeps its JVM and its kind of session for as long as a process lives, so each way of running it gets its own. With
`handed_in` the session is opened here and handed in, as a platform does it; with `analysed` the whole analysis follows.
"""

from __future__ import annotations

import json
import os
import pickle
import sys
import warnings
from pathlib import Path
from typing import Any

import pandas as pd

from aaot_eval.config import RunConfig, load_config
from aaot_eval.engine.rendered import RenderedEngine
from aaot_eval.pipeline import Prepared, prepare, run_evaluation
from tests.services import SMALL_JAVA

FRAMES = ("periods", "units", "cells", "people", "person_cells")
# A study this small is all planning and no data: few partitions, no code generation, no second compiler.
SMALL = {
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
}
OWN = {
    "spark.driver.extraJavaOptions": SMALL_JAVA,
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.executor.memory": "512m",
    "spark.executor.extraJavaOptions": SMALL_JAVA,
}


def found(prepared: Prepared) -> dict[str, Any]:
    """What two engines must agree on."""
    panel = prepared.panel
    facts = {k: v for k, v in prepared.facts.items() if k != "engine"}
    frames = {name: getattr(panel, name) for name in FRAMES} | {
        f"restricted {k}": v for k, v in prepared.restricted.items()
    }
    frames |= {f"fact {k}": v for k, v in facts.items() if isinstance(v, pd.DataFrame)}
    return {
        "frames": frames,
        "findings": prepared.findings,
        "flow": prepared.flow,
        "sources": [(s.table, s.rows) for s in prepared.sources],
        "outcomes": panel.outcomes,
        "facts": json.dumps(
            {k: v for k, v in facts.items() if not isinstance(v, pd.DataFrame)}, sort_keys=True, default=str
        ),
        "engine": prepared.facts["engine"],
    }


def asked(config: Path, engine: str, address: str) -> RunConfig:
    """The study with the engine named."""
    changes: dict[str, Any] = {"engine__name": engine}
    if engine == "spark":
        changes |= {
            "engine__spark": address or None,
            "engine__options": SMALL | ({} if address.startswith("sc:") else OWN),
        }
    if engine == "postgres":
        os.environ["AAOT_TEST_POSTGRES"] = address
        changes |= {"engine__postgres": "env:AAOT_TEST_POSTGRES"}
    return load_config(config).changed(**changes)


def analysed(study: RunConfig, prepared: Prepared) -> dict[str, pd.DataFrame]:
    """The tables of the whole analysis, before disclosure control."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return dict(run_evaluation(study, prepared=prepared).tables)


def watched() -> list[str]:
    """The names of the inputs that an engine takes where they lie, from now on."""
    names: list[str] = []
    take = RenderedEngine._take_in_place

    def noted(self: RenderedEngine, sources: Any, *more: Any) -> None:
        names.extend(source.plan.name for source in sources)
        take(self, sources, *more)

    RenderedEngine._take_in_place = noted  # type: ignore[method-assign]
    return names


def main(config: str, engine: str, address: str, out: str, mode: str = "") -> None:
    """Write what was found."""
    session = None
    in_place = watched()
    if mode == "handed_in":
        warnings.filterwarnings("ignore", message="PySpark does not yet fully support pandas", category=FutureWarning)
        from pyspark.sql.connect.session import SparkSession

        session = SparkSession.builder.remote(address).getOrCreate()
        for key, value in SMALL.items():
            session.conf.set(key, value)
        before = session.sql("SHOW DATABASES").toArrow().to_pylist()
    study = asked(Path(config), engine, "" if mode == "handed_in" else address)
    prepared = prepare(study, session=session)
    answer = found(prepared) | {"in_place": in_place}
    if mode == "analysed":
        answer["tables"] = analysed(study, prepared)
    if session is not None:
        # The platform's session is as it was: still open, no database of ours, no view of ours.
        answer["databases"] = (before, session.sql("SHOW DATABASES").toArrow().to_pylist())
        answer["views"] = session.sql("SHOW VIEWS").toArrow().to_pylist()
        session.stop()
    Path(out).write_bytes(pickle.dumps(answer))


if __name__ == "__main__":
    main(*sys.argv[1:])
