"""`aaot-eval init`: the smallest config and the blank tables to fill, from an extract."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from aaot_eval.cli._options import Json, Quiet, Verbose, answer
from aaot_eval.cli._out import put
from aaot_eval.errors import InputError, Problem, counted


@dataclass(frozen=True, slots=True)
class Found:
    """What an extract shows of itself."""

    format: str
    title: str
    sites: list[str]
    first_month: str
    last_month: str


def init(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="The folder to make for the study.", show_default=False)
    ],
    source: Annotated[
        Path, typer.Option("--from", metavar="EXTRACT", help="An admission extract.", show_default=False)
    ],
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Start a study: a config and blank tables to fill."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(
            Problem("C132", f"{folder} is there and not empty", do="give the name of a folder that does not exist yet")
        )
    found = _looked_at(source)
    texts = _starter_texts(folder, source, found.sites)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise InputError(
            Problem("C130", f"{folder} cannot be written: {fault.strerror}", do="give another folder")
        ) from None
    put({folder / name: text.encode("utf-8") for name, text in texts.items()}, "give another folder")
    if not quiet:
        sites = ", ".join(found.sites[:8]) + (", ..." if len(found.sites) > 8 else "")
        typer.echo(
            f"{source.name}: {found.title}, {found.first_month} to {found.last_month}, {counted(len(found.sites), 'site')}: {sites}",
            err=True,
        )
        typer.echo(f"Fill caseload.csv and sites.csv, then: aaot-eval check {folder / 'study.toml'}", err=True)
    document = {"folder": str(folder), "format": found.format, "sites": found.sites, "written": sorted(texts)}
    answer(str(folder), document, as_json)


def _looked_at(source: Path) -> Found:
    """The format of an extract, its sites and its months. Raises InputError with the words of the reader."""
    from aaot_eval.cli._scratch import scratch
    from aaot_eval.config import RunConfig
    from aaot_eval.engine import open_engine
    from aaot_eval.ingest import read_tables
    from aaot_eval.ingest.plan import plan_table

    config = RunConfig.model_validate(
        {"config_version": 1, "name": "init", "data": {"admissions": str(source.resolve())}}
    )
    if not source.resolve().parent.is_dir():
        raise InputError(Problem("X200", f"there is no folder {source.parent}", where=str(source), do="check the path"))
    if source.is_dir():
        files = (source / "*").as_posix()
        raise InputError(
            Problem(
                "X200",
                f"{source} is a folder",
                where="--from",
                do=f"name its files, in quotes: --from '{files}.csv', or '{files}.parquet'",
            )
        )
    # Beside the extract, or here, and never in the system's temporary folder: the engine's files hold rows of patients.
    with scratch(source.resolve().parent, Path.cwd()) as work:
        engine = open_engine("duckdb", work)
        try:
            given, _, _ = plan_table(config, "admissions", work)
            tables = read_tables(config, engine)
            sites = [
                str(row[0]) for row in engine.rows("SELECT DISTINCT site FROM stays WHERE site IS NOT NULL ORDER BY 1")
            ]
        finally:
            engine.close()
    return Found(given.schema.name, given.schema.title, sites, str(tables.first_month), str(tables.last_month))


def study_name(text: str) -> str:
    """A name that a config may have, from any folder's name: accents taken off, everything else that is not plain turned into -."""
    import re
    import unicodedata

    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9_-]+", "-", plain).strip("-_")[:61] or "study"


def _starter_texts(folder: Path, source: Path, sites: list[str]) -> dict[str, str]:
    """The files of a new study: the config, and tables with headers and the rows that are needed, values blank."""
    import os

    name = study_name(folder.resolve().name)
    extract = Path(os.path.relpath(source.resolve(), folder.resolve())).as_posix()
    return {
        "study.toml": _CONFIG.format(name=name, extract=extract),
        "caseload.csv": "person,site,referred,started,ended,reason\n",
        "sites.csv": "site,go_live,population,beds\n" + "".join(f"{site},,,\n" for site in sites),
        "unit_costs.csv": _UNIT_COSTS,
        "programme.csv": _PROGRAMME,
    }


_CONFIG = """config_version = 1
name = "{name}"

[data]
admissions = "{extract}"   # names may hold * and ?
caseload   = "caseload.csv"     # person, site, referred, started, ended, reason
sites      = "sites.csv"        # site, go_live (blank = never), population, beds

[study]
outcome    = "alcohol_specific_emergency"
# entry_rule = "4 admissions in 12 months"   # who is offered the service, or "unknown"

# Fill unit_costs.csv and programme.csv, then take the marks away:
# [costs]
# unit_costs  = "unit_costs.csv"
# programme   = "programme.csv"
# price_year  = "2024/25"
# perspective = "provider"        # commissioner, provider, nhs_social_care or societal

[disclosure]
profile = "hes"
"""

_UNIT_COSTS = """item,unit,value,low,high,std_error,price_year,perspective,source
emergency_short_stay,stay,,,,,,,
emergency_long_stay,stay,,,,,,,
emergency_excess_day,day,,,,,,,
elective_stay,stay,,,,,,,
day_case,stay,,,,,,,
ed_attendance,attendance,,,,,,,
"""

_PROGRAMME = """item,kind,quantity,amount,on_cost,price_year,source
Team,staff,,,,,
Travel and phones,non_pay,,,,,
Overheads,overhead,,,,,
Starting up,set_up,,,,,
Places,caseload,,,,,
Occupancy,occupancy,,,,,
"""
