"""What a delimited file is, found by us before any engine sees it: bytes, encoding, line ends, delimiter, header.

Nothing about a file is left to an engine's guess. A file that is not plain UTF-8 with one kind of line end, or that is
compressed, is copied to the work folder as plain UTF-8 first; the hash is always that of the file as given.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import hashlib
import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

import numpy as np

from aaot_eval.engine.workbooks import is_workbook, read_workbook
from aaot_eval.errors import InputError, Problem, is_no_room, no_room

DELIMITERS = (",", "|", "\t", ";")
PACKED = (".gz", ".zip")
# Small enough that memory is used again from chunk to chunk: with megabytes a pass over a file takes twice as long.
CHUNK = 1 << 17
FEED, RETURN, SPACE = b"\n\r "
# What a cell begins or ends beside.
EDGES = np.frombuffer(b",|\t;\"'\r\n", np.uint8)
# A packed file may unpack to this much whatever its size, and beyond that to so many times its size: real extracts pack 5 to 20 fold.
FREELY_UNPACKED, MOST_FOLD = 1 << 26, 200
# A header line of 200 names is under 10 KB.
LONGEST_HEADER = 1 << 20
# The flag of a zip member that is encrypted.
LOCKED = 0x1
# How .xlsx and .ods, and .xls and files with a password, begin.
SPREADSHEETS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
# What macOS packs beside the files that somebody chose.
LEFT_BY_MACOS = re.compile(r"(^|/)(__MACOSX/|\.DS_Store$|\._[^/]*$)")
# A line that may hold delimiters alone, as Excel writes below and between the rows that somebody cleared; and how one begins.
CLEARED = re.compile(rb'(?:[ \r,|\t;]|"")*(?:\n|"?\Z)')
BEGINS_CLEARED = np.isin(np.arange(256), list(b' ,|\t;"'))
BOMS = ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
GLOB_CHARACTERS = re.compile(r"[*?\[\]]")


@dataclass(frozen=True, slots=True)
class Dialect:
    """One input file, ready to be read: where its plain text is, and what was found out about it.

    `lines` counts lines that hold anything, the header included; `blank` counts the others. `padded` is False when no cell can
    begin or end with a space, so that none has to be trimmed. `unworked` are the cells of a workbook without a value, by the place
    of their column. `encoding` is that of the file as given. A Parquet file has a header and a hash, no lines; so has a table of a database server, whose `table`
    hands out its rows.
    """

    path: Path
    kind: str
    bytes: int
    sha256: str
    header: tuple[str, ...]
    delimiter: str = ","
    encoding: str = "utf-8"
    lines: int = 0
    blank: int = 0
    quotes: bool = False
    nuls: bool = False
    table: Any = None
    sheet: str = ""
    unworked: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    padded: bool = True


@dataclass
class _Tally:
    """What one pass over the bytes counts."""

    lines: int = 0
    blank: int = 0
    feeds: int = 0
    pairs: int = 0
    returns: int = 0
    quotes: bool = False
    nuls: bool = False
    padded: bool = False
    cleared: bool = False
    utf8: bool = True
    # The last two bytes before a chunk; a file begins as after a line end.
    tail: bytes = b"\0\n"

    @property
    def mixed_line_ends(self) -> bool:
        """Whether lines end in more than one way, or in a carriage return alone."""
        return self.returns > self.pairs or 0 < self.pairs < self.feeds

    def add(self, chunk: bytes, decoder: codecs.IncrementalDecoder, final: bool = False) -> None:
        plain = chunk.isascii()
        if self.utf8 and (final or not plain or decoder.getstate()[0]):
            try:
                decoder.decode(chunk, final)
            except UnicodeDecodeError:
                self.utf8 = False
        if not chunk:
            return
        byte = np.frombuffer(chunk, np.uint8)
        feed = _marks(self.tail, byte, FEED)
        # Where lines end, in a chunk with the two bytes before it: a chunk has few lines, so that what asks for them is quick.
        ends = np.flatnonzero(feed)
        self._line_ends(chunk, byte, feed, ends)
        self.cleared = self.cleared or _may_be_cleared(chunk, byte, ends - 1)
        self.quotes = self.quotes or b'"' in chunk
        self.nuls = self.nuls or b"\0" in chunk
        spaces = b" " in chunk or self.tail.endswith(b" ")
        self.padded = self.padded or not plain or (spaces and _spaces_at_edges(self.tail, byte))
        self.tail = (self.tail + chunk[-2:])[-2:]

    def _line_ends(self, chunk: bytes, byte: np.ndarray, feed: np.ndarray, ends: np.ndarray) -> None:
        """Counts line ends and empty lines; compared as arrays, for a search that finds something on every line is slow."""
        self.feeds += int(np.count_nonzero(ends >= 2))
        self.blank += int(np.count_nonzero(np.diff(ends)[ends[1:] >= 2] == 1))
        if b"\r" in chunk or b"\r" in self.tail:
            back = _marks(self.tail, byte, RETURN)
            self.returns += int(np.count_nonzero(back[2:]))
            pairs = feed[2:] & back[1:-1]
            self.pairs += int(np.count_nonzero(pairs))
            self.blank += int(np.count_nonzero(pairs & feed[:-2]))


def _may_be_cleared(chunk: bytes, byte: np.ndarray, starts: np.ndarray) -> bool:
    """Whether any of the lines that start at these places may hold delimiters alone: only those that begin like one are looked at."""
    inside = starts[(starts >= 0) & (starts < len(byte))]
    return any(CLEARED.match(chunk, start) for start in inside[BEGINS_CLEARED[byte[inside]]].tolist())


def _marks(tail: bytes, byte: np.ndarray, sought: int) -> np.ndarray:
    """Where a byte stands, in a chunk with the two bytes before it."""
    found = np.empty(len(byte) + len(tail), dtype=bool)
    found[: len(tail)] = [b == sought for b in tail]
    np.equal(byte, sought, out=found[len(tail) :])
    return found


def _spaces_at_edges(tail: bytes, byte: np.ndarray) -> bool:
    """Whether a cell may begin or end with a space: one stands beside a delimiter, a quotation mark or a line end."""
    text = np.concatenate([np.frombuffer(tail, np.uint8), byte])
    at = np.flatnonzero(text == SPACE)
    beside = np.concatenate([text[at[at > 0] - 1], text[at[at < len(text) - 1] + 1]])
    return bool(np.isin(beside, EDGES).any())


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """The bytes of a file, unpacked when it is gz or zip."""
    suffix = path.suffix.lower()
    if suffix == ".gz":
        with gzip.open(path, "rb") as plain:
            yield plain  # type: ignore[misc]
    elif suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            members = [m for m in archive.infolist() if not m.is_dir() and not LEFT_BY_MACOS.search(m.filename)]
            if len(members) != 1:
                raise InputError(
                    Problem(
                        "X202",
                        f"{path.name} holds {len(members)} files",
                        where=str(path),
                        do="give a zip with exactly one delimited file in it",
                    )
                )
            if members[0].flag_bits & LOCKED:
                raise InputError(
                    Problem(
                        "X202",
                        f"{path.name} is protected by a password",
                        where=str(path),
                        do="unpack it with its password and give the file in it",
                    )
                )
            with archive.open(members[0]) as member:
                yield member
    else:
        with path.open("rb") as plain:
            yield plain


def _digest(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            found.update(chunk)
    return found.hexdigest()


def _encoding(path: Path, start: bytes, tally: _Tally) -> str:
    for mark, name in BOMS:
        if start.startswith(mark):
            return name
    if tally.utf8:
        return "utf-8-sig"
    try:
        with _opened(path) as file, io.TextIOWrapper(file, encoding="cp1252") as text:
            while text.read(CHUNK):
                pass
    except UnicodeDecodeError:
        return "latin-1"
    return "cp1252"


def _scan(path: Path) -> tuple[bytes, _Tally]:
    """One pass over the plain bytes: how they begin, and what they count."""
    tally, start = _Tally(), b""
    decoder = codecs.getincrementaldecoder("utf-8")()
    most = max(FREELY_UNPACKED, MOST_FOLD * path.stat().st_size) if path.suffix.lower() in PACKED else None
    unpacked = 0
    with _opened(path) as file:
        while chunk := file.read(CHUNK):
            unpacked += len(chunk)
            if most is not None and unpacked > most:
                raise InputError(_bomb(path))
            start = start or chunk[:4]
            tally.add(chunk, decoder)
    tally.add(b"", decoder, final=True)
    return start, tally


def _bomb(path: Path) -> Problem:
    return Problem(
        "X275",
        f"{path.name} unpacks to more than {MOST_FOLD} times its size: no extract does",
        where=str(path),
        allowed=f"{FREELY_UNPACKED >> 20} MiB, or {MOST_FOLD} times the packed size",
        do="unpack it yourself, look at it, and give the plain file if it is right",
    )


def _rewrite(path: Path, encoding: str, to: Path) -> None:
    """A copy as UTF-8 with one kind of line end."""
    to.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (
        _opened(path) as file,
        io.TextIOWrapper(file, encoding=encoding, newline=None) as text,
        to.open("w", encoding="utf-8", newline="\n") as out,
    ):
        while part := text.read(CHUNK):
            out.write(part)


def _is_cleared(line: bytes, delimiter: str) -> bool:
    """Whether a line holds delimiters alone: no cell of it has anything in it."""
    return delimiter.encode() in line and not line.replace(b'""', b"").translate(None, delimiter.encode() + b" \r\n")


def _has_cleared(path: Path, delimiter: str) -> bool:
    """Whether any line after the header holds delimiters alone; searched for by a pattern, for a look at every line takes ten times as long."""
    mark = delimiter.encode()
    alone = re.compile(rb"\n(?:[ \r" + re.escape(mark) + rb']|"")+(?=\n|\Z)')
    with path.open("rb") as file:
        file.readline()
        while chunk := file.read(CHUNK):
            lines = b"\n" + chunk + file.readline()
            if any(mark in found[0] for found in alone.finditer(lines)):
                return True
    return False


def _empty_cleared(path: Path, delimiter: str, to: Path) -> None:
    """A copy in which lines of delimiters alone are empty lines, which are no rows; every other line keeps its place."""
    to.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.open("rb") as file, to.open("wb") as out:
        out.write(file.readline())
        for line in file:
            out.write(line[len(line.rstrip(b"\r\n")) :] if _is_cleared(line, delimiter) else line)


def delimiter_of(line: str) -> str:
    """The delimiter of a header line: the one that occurs most outside quotes; a comma when there is only one column."""
    bare = re.sub(r'"[^"]*"', "", line)
    return max(DELIMITERS, key=bare.count)


def _goes_on(line: str, delimiter: str) -> bool:
    """Whether a quotation mark of a header line is still open at its end."""
    reader = csv.reader([line, ""], delimiter=delimiter)
    next(reader, None)
    return reader.line_num > 1


def header_of(line: str, delimiter: str) -> tuple[str, ...]:
    """The column names of a header line."""
    names = next(csv.reader([line.rstrip("\r\n")], delimiter=delimiter), [])
    return tuple(n.strip() for n in names)


def binary(path: Path, where: str) -> Problem:
    """A file with NUL bytes where a name or a key should stand."""
    return Problem(
        "X202",
        f"{path.name} holds NUL bytes: it is damaged or no text file",
        where=where,
        do="ask for the file again as CSV, or save it as CSV from the program that made it; bcp of SQL Server writes empty texts so: "
        "put NULLIF(column, '') in its query",
    )


def inspect_file(path: Path, work: Path) -> Dialect:
    """Everything there is to know before reading one file; `work` is where a mended copy goes.

    Raises InputError for a missing, empty or unreadable file.
    """
    where = str(path)
    if not path.is_file():
        raise InputError(
            Problem("X200", f"there is no file {path.name}", where=where, do="check the path in the config")
        )
    try:
        size = path.stat().st_size
        if size == 0:
            raise InputError(Problem("X201", f"{path.name} is empty", where=where, do="ask for the file again"))
        if path.suffix.lower() in (".parquet", ".pq"):
            import pyarrow.parquet as pq

            return Dialect(path, "parquet", size, _digest(path), tuple(pq.read_schema(path).names))
        if is_workbook(path):
            return _inspect_workbook(path, work, size)
        with path.open("rb") as file:
            if path.suffix.lower() not in PACKED and file.read(4) in SPREADSHEETS:
                raise InputError(_no_text(path))
        return _inspect_text(path, work, size)
    except InputError:
        raise
    except (OSError, EOFError, ValueError, RuntimeError, zlib.error, zipfile.BadZipFile, csv.Error) as fault:
        # A mended copy is written as the file is read: a disk that is full says nothing about the file.
        if is_no_room(fault):
            raise InputError(no_room(str(work))) from None
        raise InputError(
            Problem(
                "X202",
                f"{path.name} cannot be read: {type(fault).__name__}",
                where=where,
                do="check that the file is complete and is CSV, gz, zip or Parquet",
            )
        ) from None


def _no_text(path: Path) -> Problem:
    """A refusal of a spreadsheet of another kind, or under another name."""
    return Problem(
        "X202",
        f"{path.name} is a spreadsheet or another packed file, and no delimited text",
        where=str(path),
        allowed=".xlsx and .xlsm for the small tables, else CSV or Parquet",
        do="save it as .xlsx or CSV from the program that made it, without a password",
    )


def _inspect_workbook(path: Path, work: Path, size: int) -> Dialect:
    sheet = read_workbook(path)
    sha256 = _digest(path)
    copy = work / "mended" / f"{sha256[:16]}.csv"
    copy.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    copy.write_text(sheet.text, encoding="utf-8", newline="\n")
    return replace(_inspect_text(copy, work, size), sha256=sha256, sheet=sheet.name, unworked=dict(sheet.unworked))


def _refuse_header(path: Path, first: str, delimiter: str) -> None:
    """Raises InputError when the first line of a file cannot be the names of its columns."""
    where = f"{path}, line 1"
    if len(first) >= LONGEST_HEADER:
        what = f"line 1 of {path.name} is longer than {LONGEST_HEADER >> 20} MiB: it is no header"
        raise InputError(Problem("X276", what, where, do="check that the file is delimited text with line ends"))
    if not first.strip():
        what, do = f"{path.name} has no header line", "the first line must hold the column names"
        raise InputError(Problem("X201", what, where, do=do))
    if "\0" in first:
        raise InputError(binary(path, where))
    if re.fullmatch(r"\"?sep=.\"?", first.strip(" \r\n"), re.IGNORECASE):
        what = f"{path.name} begins with a line for Excel (sep=), not with its header"
        do = "delete the first line, so that the file begins with the column names"
        raise InputError(Problem("X201", what, where, do=do))
    if _goes_on(first, delimiter):
        what = f"the header of {path.name} does not end with line 1: a quotation mark is still open"
        do = "close the mark, or take the line break out of the column name: the header is one line"
        where = f"{where}, column {len(header_of(first, delimiter))}"
        raise InputError(Problem("X201", what, where, do=do))


def _inspect_text(path: Path, work: Path, size: int) -> Dialect:
    packed = path.suffix.lower() in PACKED
    # Hashing takes as long as counting, and leaves Python free while it runs.
    with ThreadPoolExecutor(1) as beside:
        hashed = beside.submit(_digest, path)
        start, tally = _scan(path)
        sha256 = hashed.result()
    encoding = _encoding(path, start, tally)
    ready = path
    if packed or tally.mixed_line_ends or encoding != "utf-8-sig" or GLOB_CHARACTERS.search(str(path)):
        ready = work / "mended" / f"{sha256[:16]}.csv"
        _rewrite(path, encoding, ready)
        _, tally = _scan(ready)
    with ready.open(encoding="utf-8-sig", newline="") as text:
        first = text.readline(LONGEST_HEADER)
    delimiter = delimiter_of(first)
    _refuse_header(path, first, delimiter)
    if tally.cleared and _has_cleared(ready, delimiter):
        mended = work / "mended" / f"{sha256[:16]}-rows.csv"
        _empty_cleared(ready, delimiter, mended)
        ready = mended
        _, tally = _scan(ready)
    lines = tally.feeds + (not tally.tail.endswith(b"\n")) - tally.blank
    return Dialect(
        ready,
        "text",
        size,
        sha256,
        header_of(first, delimiter),
        delimiter,
        encoding.removesuffix("-sig"),
        lines,
        tally.blank,
        tally.quotes,
        tally.nuls,
        padded=tally.padded or tally.tail.endswith(b" "),
    )
