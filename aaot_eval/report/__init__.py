"""Release to page. The report reads released tables and the facts of the run, fits nothing and opens no data.

report = build_report(release)
html = render_html(report)         # one self-contained file, no script, no network
text = render_markdown(report)
files = figure_files(report)       # {"effect_chart.svg": bytes, ...}
"""

from __future__ import annotations

from aaot_eval.report.blocks import Report, Section
from aaot_eval.report.contents import Source
from aaot_eval.report.html import figure_files, render_html
from aaot_eval.report.markdown import render_markdown
from aaot_eval.report.sections import SECTIONS
from aaot_eval.report.words import period_name
from aaot_eval.results import Release
from aaot_eval.schema import disclosure_profile, disclosure_profiles

__all__ = ["build_report", "figure_files", "render_html", "render_markdown"]


def build_report(release: Release) -> Report:
    """Every section in order, from the released tables and facts alone; what is not there is said, not left out."""
    source = Source(release)
    parts = sorted(((SECTIONS[name], name) for name in SECTIONS), key=lambda p: p[0].order)
    profile = str(release.profile)
    blocked = disclosure_profile(profile)["blocked_files"] if profile in disclosure_profiles() else ()
    return Report(
        title=source.fact("title"),
        subtitle=f"{_span(source)} · outcome: {source.subject}",
        sections=tuple(Section(name, part.title, tuple(part.build(source))) for part, name in parts),
        footer=(
            ("Run", source.fact("run_id")),
            ("Data to", period_name(source.fact("data_cut"))),
            ("Disclosure profile", profile),
            ("Made with", f"aaot-eval {source.fact('version')}"),
        ),
        banners=_banners(source),
        image="png" if "svg" in blocked else "svg",
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
    return tuple(found)
