"""Files written where the user says: whole or not at all, and what stood there stays until then."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest

from aaot_eval.cli._out import put
from aaot_eval.errors import InputError


def failing(monkeypatch: pytest.MonkeyPatch, fault: BaseException, at: int) -> None:
    """The file written as number `at` is cut off half-way."""
    write, written = Path.write_bytes, []

    def half(path: Path, content: bytes) -> int:
        written.append(path)
        if len(written) < at:
            return write(path, content)
        write(path, content[: len(content) // 2])
        raise fault

    monkeypatch.setattr(Path, "write_bytes", half)


def test_files_stand_where_they_were_asked_for_and_nothing_beside_them(tmp_path):
    (tmp_path / "a.html").write_bytes(b"old")
    put({tmp_path / "a.html": b"new", tmp_path / "b.csv": b"rows"}, "")
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"a.html": b"new", "b.csv": b"rows"}


@pytest.mark.parametrize("at", [1, 2])
def test_a_full_disk_leaves_what_was_there_and_nothing_half_written(tmp_path, monkeypatch, at):
    (tmp_path / "a.html").write_bytes(b"old")
    failing(monkeypatch, OSError(errno.ENOSPC, "No space left on device"), at)
    with pytest.raises(InputError) as refused:
        put({tmp_path / "a.html": b"newer", tmp_path / "b.csv": b"rows"}, "give another file with --to")
    (problem,) = refused.value.problems
    assert problem.code == "C130"
    assert problem.what == f"{tmp_path / ('a.html' if at == 1 else 'b.csv')} cannot be written: No space left on device"
    assert problem.do == "give another file with --to"
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"a.html": b"old"}


def test_ctrl_c_leaves_nothing_half_written(tmp_path, monkeypatch):
    failing(monkeypatch, KeyboardInterrupt(), 1)
    with pytest.raises(KeyboardInterrupt):
        put({tmp_path / "a.html": b"new"}, "")
    assert not list(tmp_path.iterdir())


def test_a_folder_in_its_place_is_refused(tmp_path):
    with pytest.raises(InputError):
        put({tmp_path: b"new"}, "")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="devices and pipes are of other systems")
def test_a_pipe_is_written_to_and_stays_one(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    put({pipe: b"new"}, "")
    assert os.read(reader, 10) == b"new"
    os.close(reader)
    assert pipe.is_fifo()


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_link_stays_one_and_what_it_leads_to_is_replaced(tmp_path):
    (tmp_path / "shared").mkdir()
    (tmp_path / "report.html").symlink_to(tmp_path / "shared" / "latest.html")
    put({tmp_path / "report.html": b"new"}, "")
    assert (tmp_path / "report.html").is_symlink()
    assert (tmp_path / "shared" / "latest.html").read_bytes() == b"new"
