"""What the tests of the command line share: a small made-up study, and a way to run a command."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SMALL = {"sites": 5, "treated": 1, "months": 42, "launch_after": 26, "size": 0.08}


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


def aaot(*arguments: object, cwd: Path, check: int | None = None) -> Ended:
    """Run `aaot-eval` in a process of its own, as a scheduler would: no terminal, an old code page."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "PYTHONIOENCODING": "cp1252",
        "MPLBACKEND": "Agg",
    }
    done = subprocess.run(
        [sys.executable, "-m", "aaot_eval", *map(str, arguments)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        timeout=120,
    )
    ended = Ended(done.returncode, done.stdout.decode("cp1252"), done.stderr.decode("cp1252"))
    assert check is None or ended.code == check, f"exit {ended.code}\n{ended.out}\n{ended.err}"
    return ended


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small simulated study, made once; never written to."""
    from aaot_eval.synthetic import simulate_study

    folder = tmp_path_factory.mktemp("made") / "study"
    simulate_study(folder, scenario="null", seed=3, **SMALL)
    return folder


@pytest.fixture(scope="session")
def made_tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The least study that reads: for refusals, which need no effect."""
    from aaot_eval.synthetic import simulate_study

    folder = tmp_path_factory.mktemp("tiny") / "study"
    simulate_study(folder, scenario="null", seed=1, sites=4, treated=1, months=30, launch_after=18, size=0.08)
    return folder


@pytest.fixture
def tiny(made_tiny: Path, tmp_path: Path) -> Path:
    """A copy of the least study that a test may spoil."""
    return Path(shutil.copytree(made_tiny, tmp_path / "study"))


@pytest.fixture
def study(made: Path, tmp_path: Path) -> Path:
    """A copy of the small study that a test may spoil."""
    return Path(shutil.copytree(made, tmp_path / "study"))


def everything(folder: Path) -> set[str]:
    """Every file below a folder, but for readings kept.

    A study refused for its design had read its files whole: the readings are no result, and the next run is quicker.
    """
    every = {p.relative_to(folder) for p in folder.rglob("*")}
    kept = {p.parent for p in every if p.name == "cache"}
    aside = kept | {folder for k in kept for folder in k.parents}
    return {p.as_posix() for p in every if p not in aside and not kept.intersection(p.parents)}
