"""Two hundred damaged files, made from a seed: each ends in a clear error or in counted rejects that reconcile, never in a traceback."""

from __future__ import annotations

import gzip
import io
import json
import random
import time
import zipfile
import zlib
from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aaot_eval import ingest
from aaot_eval.cli import run
from aaot_eval.engine import files
from tests.drawn import csv_text, episodes, two_years

#: Four hospitals, so that three damaged lines are fewer than the share of rejects that stops a run.
DRAWN = ("RX1", "RX2", "RX3", "RX4")
LINES = [
    line for i, p in enumerate(DRAWN) for line in csv_text(episodes(two_years(p, months=18))).splitlines()[i > 0 :]
]
HEADER, ROWS = LINES[0], LINES[1:]
PLAIN = "\n".join(LINES) + "\n"
DATES = [i for i, name in enumerate(HEADER.split(",")) if name in ("ADMIDATE", "EPISTART", "EPIEND")]
PER_KIND = 8
#: Nothing here takes a second on an idle machine; this is a hang, not a slow machine.
LONGEST_SECONDS = 60.0
#: Above this a file was taken into memory whole when it should have been streamed.
MEMORY = "300MB"

Damage = Callable[[random.Random], tuple[str, bytes]]


def text(lines: list[str], end: str = "\n") -> bytes:
    return (end.join(lines) + end).encode()


def some(rng: random.Random, most: int = 3) -> list[int]:
    return rng.sample(range(1, len(LINES)), rng.randint(1, most))


def changed(rng: random.Random, change: Callable[[str], str], most: int = 3) -> bytes:
    lines = list(LINES)
    for i in some(rng, most):
        lines[i] = change(lines[i])
    return text(lines)


def with_bytes(rng: random.Random, new: bytes, count: int) -> bytes:
    content = bytearray(PLAIN.encode())
    for _ in range(count):
        at = rng.randrange(len(HEADER) + 1, len(content))
        content[at : at + 1] = new
    return bytes(content)


def cell(line: str, at: int, value: str) -> str:
    cells = line.split(",")
    cells[at % len(cells)] = value
    return ",".join(cells)


def packed(*members: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return out.getvalue()


def bomb() -> bytes:
    """8 MiB of one letter behind a good header, packed a thousandfold."""
    squeezed = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = b"0" * (1 << 20)
    return squeezed.compress(PLAIN.encode()) + b"".join(squeezed.compress(block) for _ in range(8)) + squeezed.flush()


def parquet() -> bytes:
    columns = list(zip(*(row.split(",") for row in ROWS), strict=True))
    out = io.BytesIO()
    pq.write_table(pa.table(dict(zip(HEADER.split(","), map(list, columns), strict=True))), out)
    return out.getvalue()


PARQUET, BOMB = parquet(), bomb()
KINDS: dict[str, Damage] = {
    "cut off": lambda r: ("a.csv", PLAIN.encode()[: r.randrange(1, len(PLAIN))]),
    "lines with another delimiter": lambda r: ("a.csv", changed(r, lambda line: line.replace(",", r.choice(";|\t")))),
    "all in another delimiter than the header": lambda r: ("a.csv", text([HEADER, *(x.replace(",", r.choice(";|")) for x in ROWS)])),
    "bytes of no encoding": lambda r: ("a.csv", with_bytes(r, bytes([r.randrange(128, 256)]), r.randint(1, 9))),
    "ragged rows": lambda r: ("a.csv", changed(r, lambda line: line.rsplit(",", r.randint(1, 20))[0] if r.random() < 0.5 else line + ",x" * r.randint(2, 9))),
    "line breaks in quotes": lambda r: ("a.csv", changed(r, lambda line: cell(line, 14, '"a\n' + "\n" * r.randint(0, 3) + 'b"'))),
    "line breaks without quotes": lambda r: ("a.csv", changed(r, lambda line: line[: (at := r.randrange(len(line)))] + "\n" + line[at:])),
    "huge cells": lambda r: ("a.csv", changed(r, lambda line: cell(line, r.choice((14, 16, 20)), "x" * r.choice((200_000, 3_000_000))), 1)),
    "huge cells in quotes": lambda r: ("a.csv", changed(r, lambda line: cell(line, 14, '"' + "x\n" * r.choice((1000, 200_000)) + '"'), 1)),
    "values of another type": lambda r: ("a.csv", changed(r, lambda line: cell(line, r.choice(DATES), r.choice(("soon", "2021-13-45", "1e9", "-"))), r.choice((2, 30)))),
    "columns twice in the header": lambda r: ("a.csv", text([HEADER + "," + r.choice(HEADER.split(",")), *(x + ",1" for x in ROWS)])),
    "NUL bytes": lambda r: ("a.csv", with_bytes(r, b"\0" * r.randint(1, 5), r.randint(1, 5))),
    "bombs": lambda r: ("a.csv.gz", BOMB) if r.random() < 0.5 else ("a.zip", packed(("a.csv", PLAIN.encode() + b"0" * (8 << 20)))),
    "gzip cut off": lambda r: ("a.csv.gz", (g := gzip.compress(PLAIN.encode(), mtime=0))[: r.randrange(1, len(g))]),
    "zip cut off or of several files": lambda r: ("a.zip", (z := packed(("a.csv", PLAIN.encode())))[: r.randrange(1, len(z))] if r.random() < 0.6 else packed(("a", b"1"), ("b", b"2"))),
    "nothing in it": lambda r: ("a" + r.choice((".csv", ".csv.gz", ".zip", ".parquet")), b"" if r.random() < 0.5 else b"\n" * r.randint(1, 9)),
    "a header and no rows": lambda r: ("a.csv", text([HEADER], r.choice(("\n", "\r\n", "\n\n")))),
    "byte order mark twice": lambda r: ("a.csv", b"\xef\xbb\xbf" * r.randint(2, 3) + PLAIN.encode()),
    "mixed line ends": lambda r: ("a.csv", b"".join(x.encode() + r.choice((b"\n", b"\r\n", b"\r")) for x in LINES)),
    "stray quotes": lambda r: ("a.csv", with_bytes(r, b'"', r.randint(1, 4))),
    "no header": lambda r: ("a.csv", text(ROWS[r.randrange(9) :])),
    "bytes at random": lambda r: ("a" + r.choice((".csv", ".csv.gz", ".zip", ".parquet")), r.randbytes(r.randint(1, 5000))),
    "parquet cut off or changed": lambda r: ("a.parquet", PARQUET[: r.randrange(1, len(PARQUET))] if r.random() < 0.5 else bytes(b ^ (r.random() < 0.002) for b in PARQUET)),
    "utf-16 of odd length": lambda r: ("a.csv", PLAIN.encode("utf-16")[: -r.choice((1, 3, 501))]),
    "lines in any disorder": lambda r: ("a.csv", text([HEADER, *(r.choice((x, x, x, "", HEADER, x + x)) for x in ROWS)])),
}  # fmt: skip
# A kind that takes away or adds nothing but what is rejected by line: every undamaged row has to be there.
KEEPS_ROWS = {
    "line breaks in quotes": 0,
    "mixed line ends": 0,
    "byte order mark twice": None,
    "ragged rows": 3,
    "lines with another delimiter": 3,
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_is_an_error_in_words_or_counted_rejects(tmp_path, capsys, monkeypatch, kind):
    """Exit 0 only with lines that reconcile; else 3 or 4 with a code, a place and something to do."""
    reports = []
    reading = ingest.read_given

    def spied(*given):
        found = reading(*given)
        reports.extend(found[0])
        return found

    monkeypatch.setattr(ingest, "read_given", spied)
    # The share is judged from 4 MiB on instead of 64, so that a bomb can be a small one.
    monkeypatch.setattr(files, "FREELY_UNPACKED", 1 << 22)
    for n in range(PER_KIND):
        rng = random.Random(f"{kind} {n}")
        name, content = KINDS[kind](rng)
        home = tmp_path / str(n)
        home.mkdir()
        (home / name).write_bytes(content)
        (home / "study.toml").write_text(
            f'config_version = 1\nname = "damaged"\n[data]\nadmissions = "{name}"\n[output]\nmemory = "{MEMORY}"\n',
            encoding="utf-8",
        )
        reports.clear()
        begun = time.monotonic()
        code = run(["analyze", str(home / "study.toml"), "--stop-after", "ingest", "--json"])
        out, err = capsys.readouterr()
        case = f"{kind} {n}: {err}"
        assert time.monotonic() - begun < LONGEST_SECONDS, case
        assert code in (0, 3, 4), case
        assert "Traceback" not in err, case
        for report in reports:
            assert report.adds_up, case
            assert 0 <= report.lost_rows <= report.rows <= len(content), case
        document = json.loads(out)
        if code:
            assert document["problems"], case
            assert all(p["code"] and p["what"] and (p["do"] or p["where"]) for p in document["problems"]), case
        elif (damaged := KEEPS_ROWS.get(kind)) is not None:
            assert len(ROWS) - damaged <= reports[0].rows <= len(ROWS), case
        if kind == "bombs":
            assert code == 3, case
            assert "unpacks to more than 200 times its size" in document["problems"][0]["what"], case


def test_there_are_two_hundred():
    assert len(KINDS) * PER_KIND == 200


def test_the_same_seed_makes_the_same_damage():
    for kind, damage in KINDS.items():
        assert damage(random.Random(f"{kind} 1")) == damage(random.Random(f"{kind} 1"))
