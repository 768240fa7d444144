"""`aaot-eval options`: several service models on the same people, prices and horizon."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aaot_eval.cli._options import Json, Quiet, Verbose, answer
from aaot_eval.cli._out import put
from aaot_eval.errors import InputError, Problem, VerifyMismatchError, counted

if TYPE_CHECKING:
    from aaot_eval.options import Appraised, Measured, Records

#: How many letters of the hash of the inputs name the folder of a result.
SHORT = 6


def options(
    folder: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", help="appraisal.toml and one .toml file an option.", show_default=False),
    ],
    init: Annotated[bool, typer.Option("--init", help="Write the templates into FOLDER, every number blank.")] = False,
    rank: Annotated[
        bool, typer.Option("--rank", help="Probability that each option is best, measured ones only.")
    ] = False,
    additive: Annotated[
        bool, typer.Option("--additive", help="Add the effects of combined options on one person.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Where results go; default: results in FOLDER.")
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Appraise service models on the same people and prices."""
    if init:
        _write_templates(folder, as_json, quiet)
        return
    from aaot_eval.options import appraise, read_appraisal

    records = read_appraisal(folder)
    result = appraise(records, _runs(records), rank=rank, additive=additive)
    written = _write(records, result, out or folder / "results")
    if not quiet:
        typer.echo("\n".join([*(f"Warning: {text}" for text in result.warnings), *_told(result)]), err=True)
    document = {
        "folder": str(written),
        "page": str(written / "options.html"),
        "options": [str(name) for name in result.tables["options"]["option"]],
        "summary": list(result.tables["summary"]["sentence"]),
        "warnings": list(result.warnings),
        "not_entered": len(result.tables["missing"]),
        "ranked": [str(name) for name in result.tables["ranking"]["option"]] if rank else None,
    }
    answer(str(written), document, as_json)


def _told(result: Appraised) -> list[str]:
    table, ranking = result.tables["options"], result.tables.get("ranking")
    worked = int(table["cost_person"].notna().sum())
    said = list(result.tables["summary"]["sentence"])
    said += [
        f"{counted(len(table), 'option')}; cost for each person worked out for {worked}; blank: {counted(len(result.tables['missing']), 'key')}."
    ]
    if ranking is not None and not ranking["population"].duplicated().any():
        said.append("There is nothing to rank: it takes two options with measured evidence for the same people.")
    return said


def _write_templates(folder: Path, as_json: bool, quiet: bool) -> None:
    from aaot_eval.schema import shipped

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(
            Problem("C132", f"{folder} is there and not empty", do="give the name of a folder that does not exist yet")
        )
    sources = sorted((shipped("configs") / "options").glob("*.toml"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise InputError(
            Problem("C130", f"{folder} cannot be written: {fault.strerror}", do="give another folder")
        ) from None
    put({folder / source.name: source.read_bytes() for source in sources}, "give another folder")
    if not quiet:
        typer.echo(f"Fill what you know, with its source, then: aaot-eval options {folder}", err=True)
    answer(str(folder), {"folder": str(folder), "written": [s.name for s in sources]}, as_json)


def _runs(records: Records) -> dict[str, Measured]:
    """The run of each option that names one; a run that was changed is no record."""
    from aaot_eval.options import measured_by
    from aaot_eval.run_folder import differing_files, read_run

    found = {}
    for option in records.options:
        if not option.run:
            continue
        run = read_run(records.home / option.run)
        changed = differing_files(run)
        if changed:
            raise VerifyMismatchError(
                *changed,
                Problem(
                    "C196", f"option {option.id}: a changed run is not a record", do="name a run as it was written"
                ),
            )
        inputs = {str(entry["table"]): str(entry["sha256"]) for entry in run.manifest["inputs"]}
        found[option.id] = measured_by(run.path.name, run.release(), inputs)
    return found


def _write(records: Records, result: Appraised, home: Path) -> Path:
    """The page, the same as text, the tables and the charts, in a folder named by what went in."""
    import hashlib

    from aaot_eval import __version__
    from aaot_eval.disclosure import csv_text
    from aaot_eval.report import figure_files, render_html, render_markdown
    from aaot_eval.report.options_page import build_options_report
    from aaot_eval.run_folder import write_parcel

    facts: dict[str, Any] = {**result.facts, "version": __version__}
    report = build_options_report(result.tables, result.warnings, facts)
    files = {
        "options.html": render_html(report).encode("utf-8"),
        "options.md": render_markdown(report).encode("utf-8"),
        **{f"tables/{name}.csv": csv_text(table).encode("utf-8") for name, table in result.tables.items()},
        **{f"figures/{name}": content for name, content in figure_files(report).items()},
        **{f"records/{name}": path.read_bytes() for name, path in records.files},
    }
    terms = result.tables["same_terms"]
    asked = f"{__version__} {facts['ranked']} {facts['additive']} " + " ".join(map(str, terms.to_numpy().ravel()))
    name = f"{records.shared.name}_{hashlib.sha256(asked.encode()).hexdigest()[:SHORT]}"
    about = {
        "appraisal": name, "version": __version__, "seed": facts["seed"], "ranked": facts["ranked"], "additive": facts["additive"],
        "inputs": terms[terms["sha256"] != ""].to_dict("records"),
    }  # fmt: skip
    return write_parcel(home / name, files, about)
