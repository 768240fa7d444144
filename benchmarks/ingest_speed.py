"""Extracts to panels beside the bare engine, in one interleaved run: time, CPU, memory, and what the goals say of them.

    python -m benchmarks.ingest_speed [--rows 1000000] [--rounds 3] [--only NAME ...] [--data DIR] [--keep] [--out docs/results]

Makes its own extract with flat memory (49 columns, 20 of them diagnoses, about three episodes a person, 10,000 codes), as CSV and as
Parquet; `--data` must be on a disk with about 260 bytes a row free (45 when only entries from Parquet are asked for), and the
files go when the run ends unless `--keep` is given. Every entry is a process of its own, and the entries of a round follow one another, so that other work on the machine
slows them alike: the ratios are medians over rounds of CPU seconds (user and system) and of wall seconds. Answers of sizes
stand beside one another in ingest_speed.csv; a run replaces the rows of its size.
"""

from __future__ import annotations

import argparse
import atexit
import compileall
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DIAGNOSES = 20
COLUMNS = (
    "rows", "limit", "what", "against", "wall_seconds", "cpu_seconds", "peak_gib", "wall_ratio", "cpu_ratio", "goal", "met", "load", "rounds",
    "commit",
)  # fmt: skip
#: name: what it is, the bare entry it is held against, the most it may take as a ratio (of CPU seconds).
ENTRIES: dict[str, tuple[str, str, float | None]] = {
    "copy": ("bare engine: typed CSV to Parquet", "", None),
    "scan": ("bare engine: Parquet scan and group by spell key", "", None),
    "count": ("bare engine: count of 20 diagnosis columns of Parquet", "", None),
    "ingest": ("analyze --stop-after ingest, from CSV: read, cast, reconciled, rejects listed", "copy", 1.25),
    "panel_csv": ("analyze --stop-after panel, from CSV", "copy", None),
    "panel_parquet": ("analyze --stop-after panel, from Parquet", "scan", 3.5),
    "match": ("codes of the lists matched over 20 columns", "count", 4.0),
    "codes": ("the same with the distinct codes found and the lists resolved against them", "count", None),
}
# Codes too: of a Parquet file that is read where it lies the different ones are known from the reading.
FROM_TEXT = ("copy", "ingest", "panel_csv", "match", "codes")
#: Limits that hold for sizes: (entry, rows): (wall seconds, peak GiB).
LIMITS: dict[tuple[str, int], tuple[float | None, float | None]] = {
    ("panel_csv", 1_000_000): (6.0, None),
    ("panel_csv", 10_000_000): (60.0, 1.5),
    ("ingest", 1_000_000): (None, 1.0),
    ("ingest", 10_000_000): (None, 1.0),
    ("panel_parquet", 50_000_000): (None, 4.5),
}
#: How many times as long five times as many episodes may take, from Parquet: (entry, rows, rows of the fewer, limit, goal).
GROWTH = ("panel_parquet", 50_000_000, 10_000_000, "4GB", 5.5)
BARE = ("copy", "scan", "count")
CONFIG = """config_version = 1
name = "speed"
[data]
admissions = "{extract}"
[output]
runs = "{home}/runs"
memory = "{memory}"
"""


def make_extract(rows: int, folder: Path, *, text: bool) -> tuple[Path, Path]:
    """A synthetic extract of that many episodes as Parquet, and as CSV if asked: made by the engine from hashes, with flat memory."""
    import duckdb

    csv_file, parquet = folder / f"episodes_{rows}.csv", folder / f"episodes_{rows}.parquet"
    if parquet.exists() and (csv_file.exists() or not text):
        return csv_file, parquet
    people = max(rows // 3, 100)
    codes = ", ".join(
        f"'{c}'" for c in ("F102", "F100", "F103", "F101", "K703", "K709", "K292", "K852", "K860", "T510")
    )
    diagnoses = ",\n".join(
        f"""CASE WHEN {k} > filled THEN NULL WHEN alcohol AND alcohol_place = {k} THEN list_value({codes})[1 + pick(i, 90, 10)]
        ELSE list_extract(pool, 1 + CAST(9900 * pow((pick(i, {100 + k}, 100000)) / 100000.0, 2) AS INTEGER)) END AS "DIAG_{k:02d}\""""
        for k in range(1, DIAGNOSES + 1)
    )
    unread = ", ".join(
        f"""'{prefix}' || (pick(i, {200 + n}, 30000)) AS "{name}\""""
        for n, (name, prefix) in enumerate(
            (("ETHNOS", "A"), ("LSOA11", "E0100"), ("GPPRAC", "P"), ("MAINSPEF", ""), ("TRETSPEF", ""), ("SUSHRG", "AA"),
             ("OPERTN_01", "X"), ("OPERTN_02", "Y"), ("OPERTN_03", "Z"), ("PROVSPNOPS", "S"), ("IMD04", ""), ("RESLADST", "E07"))
        )
    )  # fmt: skip
    query = f"""
    SELECT CASE WHEN pick(i, 1, 250) = 0 THEN NULL ELSE md5(CAST(person AS VARCHAR)) END AS "TOKEN_PERSON_ID",
        CAST(500000000000 + i AS VARCHAR) AS "EPIKEY", admitted AS "ADMIDATE", admitted + stayed AS "DISDATE",
        CASE WHEN second THEN admitted + stayed // 2 ELSE admitted END AS "EPISTART",
        CASE WHEN first_of_two THEN admitted + stayed // 2 ELSE admitted + stayed END AS "EPIEND",
        CASE WHEN second THEN 2 ELSE 1 END AS "EPIORDER", CASE WHEN pick(i, 2, 160) = 0 THEN 1 ELSE 3 END AS "EPISTAT",
        1 + pick(s, 3, 2) AS "CLASSPAT", list_value('11', '12', '13', '21', '21', '21', '22', '2A', '31', '81')[1 + pick(s, 4, 10)] AS "ADMIMETH",
        list_value('19', '19', '19', '19', '19', '19', '19', '51', '52', '65')[1 + pick(s, 5, 10)] AS "ADMISORC",
        list_value('1', '1', '1', '1', '1', '1', '1', '2', '4', '8')[1 + pick(i, 6, 10)] AS "DISMETH",
        list_value('19', '19', '19', '19', '19', '19', '51', '54', '79', '19')[1 + pick(i, 7, 10)] AS "DISDEST",
        provider AS "PROCODE", provider || '0' || (pick(s, 8, 4)) AS "SITETRET", 1 + pick(person, 9, 2) AS "SEX", 18 + pick(person, 10, 75) AS "STARTAGE",
        {diagnoses}, {unread}
    FROM (
        SELECT *, 'R' || chr(CAST(65 + home // 10 AS INTEGER)) || (home % 10) AS provider FROM (
            SELECT *, CASE WHEN pick(s, 20, 10) = 0 THEN pick(s, 21, 140) ELSE pick(person, 22, 140) END AS home FROM (
                SELECT i, s, i <> s AS second, i % 9 = 7 AS first_of_two, pick(s, 30, 100) < 8 AS sick,
                    CASE WHEN pick(s, 30, 100) < 8 THEN pick(s, 31, {max(people // 50, 5)}) ELSE pick(s, 31, {people}) END AS person,
                    pick(s, 30, 100) < 8 AND pick(i, 32, 2) = 0 AS alcohol, 1 + pick(i, 33, 3) AS alcohol_place,
                    CASE WHEN pick(i, 34, 300) = 0 THEN 0 ELSE 1 + least(pick(i, 35, 10), pick(i, 36, 20)) END AS filled,
                    DATE '2021-04-01' + CAST(s * 1060 // {rows} + pick(s, 37, 30) AS INTEGER) AS admitted,
                    CASE WHEN pick(s, 38, 100) < 45 THEN 0 ELSE CAST(pick(s, 39, 9) AS INTEGER) END AS stayed
                FROM (SELECT range AS i, CASE WHEN range % 9 = 8 THEN range - 1 ELSE range END AS s FROM range({rows}))
            )
        )
    ), (
        SELECT list(chr(CAST(65 + n % 25 AS INTEGER)) || lpad(CAST(n // 25 % 100 AS VARCHAR), 2, '0') || (n // 2500) ORDER BY n) AS pool FROM range(10000) AS t(n)
    )"""
    folder.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as db:
        db.execute("SET enable_progress_bar = false; SET preserve_insertion_order = false; SET memory_limit = '1GB'")
        db.execute("CREATE MACRO pick(a, b, n) AS CAST(hash(a, b) % n AS INTEGER)")
        db.execute(f"SET temp_directory = '{(folder / 'spill').as_posix()}'")
        db.execute(f"COPY ({query}) TO '{parquet.as_posix()}' (FORMAT parquet, COMPRESSION zstd)")
        if text:
            db.execute(
                f"COPY (FROM '{parquet.as_posix()}') TO '{csv_file.as_posix()}' (FORMAT csv, DELIMITER '|', HEADER)"
            )
    return csv_file, parquet


# One entry, in a process of its own -------------------------------------------------------------------------------------


def bare(name: str, csv_file: str, parquet: str, home: Path) -> dict[str, float]:
    """What the engine does by itself; for `count` only the seconds of counting."""
    import duckdb

    db = duckdb.connect()
    db.execute("SET enable_progress_bar = false; SET preserve_insertion_order = false")
    diagnoses = [f"DIAG_{k:02d}" for k in range(1, DIAGNOSES + 1)]
    if name == "copy":
        dates = ", ".join(f"'{c}': 'DATE'" for c in ("ADMIDATE", "DISDATE", "EPISTART", "EPIEND"))
        numbers = ", ".join(f"'{c}': 'INTEGER'" for c in ("EPIORDER", "EPISTAT", "CLASSPAT", "SEX", "STARTAGE"))
        db.execute(
            f"COPY (SELECT * FROM read_csv('{csv_file}', delim='|', header=true, sample_size=2000, types={{{dates}, {numbers}}})) "
            f"TO '{(home / 'copy.parquet').as_posix()}' (FORMAT parquet, COMPRESSION zstd)"
        )
    elif name == "count":
        wall, cpu = time.perf_counter(), time.process_time()
        db.execute(f"SELECT {', '.join(f'count({d})' for d in diagnoses)} FROM read_parquet('{parquet}')").fetchone()
        return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    else:
        counted = ", ".join(f"count({d}) AS x{i}" for i, d in enumerate(diagnoses))
        db.execute(
            f"SELECT count(*), {', '.join(f'sum(x{i})' for i in range(DIAGNOSES))} FROM (SELECT max(DISDATE) AS a, {counted}, max(SITETRET) AS b, "
            f"max(ADMIMETH) AS c, max(EPIORDER) AS d, max(SEX) AS e, max(STARTAGE) AS f FROM read_parquet('{parquet}') "
            f"GROUP BY TOKEN_PERSON_ID, PROCODE, ADMIDATE)"
        ).fetchone()
    return {}


def ours(name: str, extract: str, home: Path, memory: str) -> dict[str, float]:
    """What the project does with the same file, as the command does it to its end; for `match` and `codes` only the seconds of those."""
    config_file = home / "speed.toml"
    config_file.write_text(
        CONFIG.format(extract=Path(extract).as_posix(), home=home.as_posix(), memory=memory), "utf-8"
    )
    if name in ("ingest", "panel_csv", "panel_parquet"):
        from aaot_eval.__main__ import program

        stage = "ingest" if name == "ingest" else "panel"
        sys.argv = ["aaot-eval", "analyze", str(config_file), "--stop-after", stage, "--quiet"]
        atexit.register(tell, {})
        program()
    from aaot_eval.config import load_config
    from aaot_eval.engine.duckdb import DuckDBEngine
    from aaot_eval.ingest.coding import lists_for
    from aaot_eval.ingest.plan import plan_table
    from aaot_eval.ingest.read import read_given

    config = load_config(config_file)
    engine = DuckDBEngine(home / "work", memory=memory)
    try:
        given, _, _ = plan_table(config, "admissions", engine.folder)
        read_given(given, engine, lambda message: None, config.quality)
        began = time.perf_counter(), time.process_time()
        lists = lists_for(config, engine.distinct_codes("episodes_read"))
        wall, cpu = (time.perf_counter(), time.process_time()) if name == "match" else began
        engine.match_codes("episodes_read", lists, makes="coded_diagnoses")
        return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    finally:
        engine.close()


def one(name: str, csv_file: str, parquet: str, home: str, memory: str) -> None:
    """Carry out one entry and print its CPU seconds and peak memory as JSON on the last line."""
    folder = Path(home)
    if name in ("copy", "scan", "count"):
        found = bare(name, csv_file, parquet, folder)
    else:
        found = ours(name, csv_file if name in FROM_TEXT else parquet, folder, memory)
    tell(found)


def tell(found: dict[str, float]) -> None:
    """Print what an entry took as JSON on the last line; a command of the program does so as it ends."""
    found = {"cpu": time.process_time(), **found}
    try:
        import resource

        found["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    except ImportError:  # Windows does not tell
        found["peak"] = float("nan")
    sys.stdout.write("\n" + json.dumps(found) + "\n")


def measured(name: str, files: tuple[Path, Path], data: Path, memory: str) -> dict[str, float]:
    """Seconds and memory of one entry."""
    with tempfile.TemporaryDirectory(dir=data) as home:
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.ingest_speed", "one", name, *(f.as_posix() for f in files), home, memory],
            cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
        )  # fmt: skip
        wall = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(f"{name} failed: {done.stderr[-2000:]}")
    return {"wall": wall, **json.loads(done.stdout.strip().splitlines()[-1])}


# Storing --------------------------------------------------------------------------------------------------------------


def judged(name: str, rows: int, found: dict[str, Any]) -> tuple[str, str]:
    """The goals of an entry at a size in words, and whether it met all of them."""
    _, _, ratio = ENTRIES[name]
    wall, peak = LIMITS.get((name, rows), (None, None))
    asked = [(f"{ratio:g}x by CPU", found["cpu_ratio"] != "" and float(found["cpu_ratio"]) <= ratio)] if ratio else []
    asked += [(f"{wall:g} s", float(found["wall_seconds"]) <= wall)] if wall else []
    asked += [(f"{peak:g} GiB", float(found["peak_gib"]) <= peak)] if peak else []
    return "; ".join(a for a, _ in asked), "; ".join("yes" if ok else "NO" for _, ok in asked)


def stored(rows: int, times: dict[str, list[dict[str, float]]], load: float, memory: str, out: Path) -> None:
    """Put the rows of this size and limit of memory into the table and write the page."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True
    ).stdout.strip()
    path = out / "ingest_speed.csv"
    kept: dict[tuple[int, str, str], dict[str, Any]] = {}
    if path.exists():
        with path.open(encoding="utf-8", newline="") as file:
            kept = {(int(r["rows"]), r["limit"], r["what"]): r for r in csv.DictReader(file)}
    for name, runs in times.items():
        what, against, _ = ENTRIES[name]
        row: dict[str, Any] = {
            "rows": rows, "limit": "" if name in BARE else memory, "what": what, "against": ENTRIES[against][0] if against in times else "",
            "wall_seconds": f"{statistics.median(r['wall'] for r in runs):.2f}", "cpu_seconds": f"{statistics.median(r['cpu'] for r in runs):.2f}",
            "peak_gib": f"{max(r['peak'] for r in runs):.2f}", "load": f"{load:.0f}", "rounds": len(runs), "commit": commit,
        }  # fmt: skip
        for kind in ("wall", "cpu"):
            pairs = zip(runs, times.get(against, []), strict=False)
            ratios = [a[kind] / b[kind] for a, b in pairs]
            row[f"{kind}_ratio"] = f"{statistics.median(ratios):.2f}" if ratios else ""
        row["goal"], row["met"] = judged(name, rows, row)
        kept[rows, row["limit"], what] = row
    out.mkdir(parents=True, exist_ok=True)
    ordered = [what for what, _, _ in ENTRIES.values()]
    table = sorted(
        (r for r in kept.values() if r["what"] in ordered),
        key=lambda r: (int(r["rows"]), ordered.index(r["what"]), r["limit"]),
    )
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)
    lines = [
        "# Extracts to panels beside the bare engine, measured", "",
        f"Made by `python -m benchmarks.ingest_speed` on {os.cpu_count()} cores. Ratios are medians over rounds, each against the bare entry of its",
        "own round; wall seconds and their ratios carry whatever else the machine did (column load), CPU seconds much less.", "",
        "| episodes | memory | what | wall s | CPU s | peak GiB | wall ratio | CPU ratio | goal | met | load | rounds | commit |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
        *(
            f"| {int(r['rows']):,} | {r['limit']} | {r['what']} | {r['wall_seconds']} | {r['cpu_seconds']} | {r['peak_gib']} | {r['wall_ratio']} | {r['cpu_ratio']} "
            f"| {r['goal']} | {r['met']} | {r['load']} | {r['rounds']} | {r['commit']} |"
            for r in table
        ),
        *grown(kept),
    ]  # fmt: skip
    (out / "ingest_speed.md").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def grown(kept: Mapping[tuple[int, str, str], Mapping[str, Any]]) -> list[str]:
    """How the time grows from one size to the other, where both were measured."""
    name, many, few, memory, goal = GROWTH
    times = [
        float(kept[at]["wall_seconds"]) for rows in (many, few) if (at := (rows, memory, ENTRIES[name][0])) in kept
    ]
    if len(times) < 2:
        return []
    ratio = times[0] / times[1]
    met = "met" if ratio <= goal else "NOT met"
    return [
        "",
        f"{many:,} episodes from Parquet take {ratio:.2f} times as long as {few:,} at a limit of {memory} (goal {goal:g}: {met}).",
    ]


def main() -> None:
    """Make the extract, run the rounds, store the answer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=list(ENTRIES), default=list(ENTRIES))
    parser.add_argument("--memory", default="1GB", help="the engine's limit for our entries")
    parser.add_argument(
        "--data", type=Path, default=None, help="where the extract is made; else beside the system's temporary files"
    )
    parser.add_argument("--keep", action="store_true", help="leave the extract for another run")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        data = asked.data or Path(made)
        files = make_extract(asked.rows, data, text=any(name in FROM_TEXT for name in asked.only))
        # As installed: a program whose every file is compiled anew spends a fifth of a second on it.
        compileall.compile_dir(ROOT / "aaot_eval", quiet=1)
        load, times = os.getloadavg()[0], {name: [] for name in asked.only}
        for n in range(asked.rounds):
            for name in asked.only:
                found = measured(name, files, data, asked.memory)
                times[name].append(found)
                sys.stderr.write(
                    f"{n + 1} {name}: {found['wall']:.2f} s, {found['cpu']:.2f} CPU s, {found['peak']:.2f} GiB\n"
                )
            stored(asked.rows, times, load, asked.memory, asked.out)
        if not asked.keep:
            for file in files:
                file.unlink(missing_ok=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["one"]:
        one(*sys.argv[2:])
    else:
        main()
