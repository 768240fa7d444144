"""`aaot-eval init`: the smallest config and the blank tables to fill, from an extract."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aaot_eval.cli._options import Json, Quiet, Verbose, answer
from aaot_eval.errors import InputError, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aaot_eval.schema import TableSchema

MOST_SITES = 500


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to make for the study.", show_default=False)],
    source: Annotated[Path, typer.Option("--from", metavar="EXTRACT", help="An admission extract.", show_default=False)],
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Start a study: a config and blank tables to fill."""
    if folder.exists() and any(folder.iterdir()):
        raise InputError(Problem("C132", f"{folder} is not empty", do="give the name of a folder that does not exist yet"))
    schema, sites = _recognised(source)
    texts = _starter_texts(folder, source, sites)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    if not quiet:
        typer.echo(f"{source.name} is {schema.title}; {len(sites)} providers found.", err=True)
        typer.echo("Fill the tables, then: aaot-eval check " + str(folder / "study.toml"), err=True)
    document = {"folder": str(folder), "format": schema.name, "sites": len(sites), "written": sorted(texts)}
    answer(str(folder), document, as_json)


def _recognised(source: Path) -> tuple[TableSchema, list[str]]:
    """The extract format of a file, by its header, and the provider codes in it."""
    import csv

    from aaot_eval.schema import schema_names, table_schema

    try:
        with source.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
            sample = lines.readline()
            lines.seek(0)
            rows = csv.reader(lines, delimiter=max("|\t;,", key=sample.count))
            header = next(rows, [])
            schemas = [table_schema("extracts", n) for n in schema_names("extracts")]
            fitting = [s for s in schemas if s.extra.get("given_as") == "admissions" and not _absent(s, header)]
            if not fitting:
                raise InputError(_unrecognised(source, header, [s for s in schemas if s.extra.get("given_as") == "admissions"]))
            position = _positions(fitting[0], header)["provider"]
            sites = {row[position].strip() for row in rows if len(row) > position}
    except OSError as fault:
        raise InputError(Problem("X200", f"{source} cannot be read: {fault.strerror}", do="give the path of an extract")) from None
    nulls = set(fitting[0]["provider"].null_values) | {""}
    return fitting[0], sorted(sites - nulls)[:MOST_SITES]


def _positions(schema: TableSchema, header: list[str]) -> Mapping[str, int]:
    places = {name.strip().strip('"').upper(): i for i, name in enumerate(header)}
    found = {}
    for column in schema.columns:
        for name in column.source_names or (column.name,):
            if name.upper() in places:
                found[column.name] = places[name.upper()]
                break
    return found


def _absent(schema: TableSchema, header: list[str]) -> list[str]:
    present = _positions(schema, header)
    return [c.name for c in schema.columns if c.required and c.name not in present]


def _unrecognised(source: Path, header: list[str], schemas: list[TableSchema]) -> Problem:
    nearest = min(schemas, key=lambda s: len(_absent(s, header)))
    missing = ", ".join(f"{(nearest[n].source_names or (n,))[0]} ({n})" for n in _absent(nearest, header))
    return Problem("X201", f"{source.name} is in no known format of admission extract", where=f"closest: {nearest.name}",
                   allowed=f"missing there: {missing}", do="name your columns under [data.columns] after init on a file with these names")  # fmt: skip


def _starter_texts(folder: Path, source: Path, sites: list[str]) -> dict[str, str]:
    """The files of a new study: the config, and tables with headers and the rows that are needed, values blank."""
    import os

    name = "".join(c if c.isalnum() or c in "-_" else "-" for c in folder.resolve().name).strip("-_") or "study"
    extract = Path(os.path.relpath(source.resolve(), folder.resolve())).as_posix()
    return {
        "study.toml": _CONFIG.format(name=name, extract=extract),
        "caseload.csv": "person,site,referred,started,ended,reason\n",
        "sites.csv": "site,go_live,population,beds\n" + "".join(f"{site},,,\n" for site in sites),
        "unit_costs.csv": _UNIT_COSTS,
        "programme.csv": _PROGRAMME,
    }


_CONFIG = '''config_version = 1
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
'''

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
