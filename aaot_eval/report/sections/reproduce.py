"""How to get the same numbers again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aaot_eval.report.blocks import Block, Facts, Heading, Notice, Paragraph
from aaot_eval.report.contents import Source
from aaot_eval.report.sections import section
from aaot_eval.report.words import MISSING, is_missing, period_name, written


@section("reproduce", order=110, title="How to reproduce")
def reproduce(source: Source) -> Sequence[Block]:
    """The command, the version, the seed, and the hashes of what was read."""
    run = source.fact("run_id")
    facts = [("Run", run), ("Program", f"aaot-eval {source.fact('version')}"), ("Config", source.fact("config_hash")),
             ("Seed", source.fact("seed")), ("Engine", source.fact("engine")), ("Data to", period_name(source.fact("data_cut")))]  # fmt: skip
    if not is_missing(source.meta.get("created_label")):
        facts.append(("Made", source.fact("created_label")))
    packages = source.meta.get("packages")
    listed = (
        ", ".join(f"{k} {v}" for k, v in sorted(packages.items()))
        if isinstance(packages, Mapping) and packages
        else "not stated"
    )
    folder = "RUN" if run == "not stated" else run
    return [
        Paragraph("The same config, data and version give the same numbers. The run folder holds the config with every default written out."),
        Facts((("Check the files of the run", f"aaot-eval verify {folder}"),
               ("Run again on the data and compare", f"aaot-eval verify {folder} --data FOLDER"),
               ("FOLDER", "where the paths of the config start: the folder the study's .toml file was in"),
               ("Draw this page again", f"aaot-eval report {folder}")), code=True),
        Facts((*facts, ("Packages", listed))),
        Heading("What was read"),
        *_sources(source),
        Heading("Small numbers"),
        *_disclosure(source),
    ]  # fmt: skip


def _sources(source: Source) -> list[Block]:
    given = source.meta.get("sources")
    if not given:
        return [Notice("missing", "Not shown: the input files", "The run does not state them.")]
    rows = tuple(
        (str(s.get("name", MISSING)), f"{written(s.get('rows'), 'count')} rows, SHA-256 {s.get('sha256', MISSING)}")
        for s in given
    )
    return [Facts(rows), Paragraph("Numbers of rows are hidden and rounded like other counts.")]


def _disclosure(source: Source) -> list[Block]:
    rule = source.meta.get("disclosure") or {}
    hidden = {k: v for k, v in source.release.hidden.items() if v}
    where = ", ".join(f"{name} {count}" for name, count in sorted(hidden.items())) or "none"
    if not rule:
        return [Paragraph(f"Disclosure profile {source.release.profile}. Hidden cells: {where}.")]
    if rule.get("national"):
        text = "National figures: no count was hidden or rounded."
    elif rule.get("hide_to", -1) < rule.get("hide_from", 0):
        text = "No count was hidden or rounded."
    else:
        text = (f"Counts from {rule['hide_from']} to {rule['hide_to']} are shown as {rule['symbol']}; all others are rounded to the "
                f"nearest {rule['round_to']}. Totals need not add up. Fitted and expected counts are rounded like counts, and other "
                "results of models are shortened where a sum or a quotient would give an exact count away; numbers of sites, "
                "periods and site-months are no counts of people and stand as they are.")  # fmt: skip
    return [Paragraph(f"Profile {source.release.profile}: {rule.get('title', '')} ({rule.get('source', '')}). {text}"),
            Paragraph(f"Hidden cells by table: {where}.")]  # fmt: skip
