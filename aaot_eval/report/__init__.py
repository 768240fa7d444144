"""Release to page. The report reads released tables and the facts of the run, fits nothing and opens no data.

report = build_report(release)
html = render_html(report)         # one self-contained file, no script, no network
text = render_markdown(report)
files = figure_files(report)       # {"effect_chart.svg": bytes, ...}
"""

from __future__ import annotations

from aaot_eval.report.blocks import Block, Heading, Notice, Report, Section
from aaot_eval.report.check_page import check_report
from aaot_eval.report.checklists import CHECKLISTS, checklist_report, checklist_rows, states_counted
from aaot_eval.report.contents import Source
from aaot_eval.report.html import figure_files, render_html
from aaot_eval.report.markdown import render_markdown
from aaot_eval.report.patient_page import patient_report
from aaot_eval.report.sections import SECTIONS
from aaot_eval.report.summary import summary_html, summary_text
from aaot_eval.report.words import listed, period_name, sentence_case
from aaot_eval.results import Release
from aaot_eval.schema import disclosure_profile, disclosure_profiles
from aaot_eval.wording import in_sentence

__all__ = [
    "CHECKLISTS",
    "build_report",
    "check_report",
    "checklist_report",
    "checklist_rows",
    "figure_files",
    "patient_report",
    "render_html",
    "render_markdown",
    "states_counted",
    "summary_html",
    "summary_text",
]

COUNTS_ONLY = "The counts"


def build_report(release: Release) -> Report:
    """Every section in order, from the released tables and facts alone; what is not there is said, not left out."""
    source = Source(release)
    profile = str(release.profile)
    blocked = disclosure_profile(profile)["blocked_files"] if profile in disclosure_profiles() else ()
    return Report(
        title=source.fact("title"),
        subtitle=f"{_span(source)} · outcome: {source.subject}",
        sections=_sections(source),
        footer=(
            ("Run", source.fact("run_id")),
            ("Data to", period_name(source.fact("data_cut"))),
            ("Disclosure profile", profile),
            ("Made with", f"aaot-eval {source.fact('version')}"),
        ),
        banners=_banners(source),
        image="png" if "svg" in blocked else "svg",
    )


def _sections(source: Source) -> tuple[Section, ...]:
    parts = sorted(((SECTIONS[name], name) for name in SECTIONS), key=lambda p: p[0].order)
    built = {name: (part.title, list(part.build(source))) for part, name in parts}
    if source.aggregated:
        built["service"] = (COUNTS_ONLY, built["service"][1])
        absent = [b for _, blocks in built.values() for b in blocks if isinstance(b, Notice) and b.table]
        if len(absent) > 1:
            built = {name: (title, _without(blocks)) for name, (title, blocks) in built.items()}
            built["service"][1].append(_one_box(absent))
    return tuple(Section(name, title, tuple(blocks)) for name, (title, blocks) in built.items())


def _without(blocks: list[Block]) -> list[Block]:
    """The blocks less the boxes of absent tables and the headings these leave without anything; never none."""
    left = [b for b in blocks if not (isinstance(b, Notice) and b.table)]
    kept = [b for b, after in zip(left, [*left[1:], None], strict=False)
            if not (isinstance(b, Heading) and (after is None or isinstance(after, Heading)))]  # fmt: skip
    return kept or blocks


def _one_box(absent: list[Notice]) -> Notice:
    """Every absent part by its reason."""
    reasons: dict[str, list[str]] = {}
    for box in absent:
        why = str(box.text).partition(" (Table ")[0].removeprefix("Reason: ").rstrip(".")
        what = box.title.removeprefix("Not shown: ")
        if what not in reasons.setdefault(why, []):
            reasons[why].append(what)
    said = [f"{sentence_case(listed(parts))}: {in_sentence(why)}." for why, parts in reasons.items()]
    return Notice(
        "missing",
        "Not in this report",
        f"{' '.join(said)} (Tables {', '.join(dict.fromkeys(b.table for b in absent))}.)",
    )


def _span(source: Source) -> str:
    return f"{period_name(source.fact('first_period'))} to {period_name(source.fact('last_period'))}"


def _banners(source: Source) -> tuple[tuple[str, str], ...]:
    found = []
    if source.meta.get("artificial_data"):
        found.append(
            (
                "Artificial data",
                "The records were made by a program. Nothing here says anything about real people or services.",
            )
        )
    if source.invented:
        found.append(
            (
                "Invented prices",
                "The prices were made up to show how the calculation works. No sum of money here is real.",
            )
        )
    if source.word == "too_early":
        found.append(("Monitoring only", "There are too few periods after the start for an estimate."))
    if (source.meta.get("plan") or {}).get("departures"):
        found.append(
            ("Departs from the sealed plan", "What was planned, and what was done instead, stands under “Limits”.")
        )
    return tuple(found)
