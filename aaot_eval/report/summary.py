"""The first page as a mail: one small HTML file with every style inline, and the same as plain text."""

from __future__ import annotations

import textwrap

from aaot_eval.report.blocks import Brief, Report, words
from aaot_eval.report.html import environment
from aaot_eval.report.words import VERDICTS

WIDTH = 76  # characters: what mail programs show of plain text without breaking it


#: What the names in quotes are, to somebody who has the mail alone.
FULL = "Names in quotes are parts of the full report, release/report.html of the run, which has the figures and tables."


def summary_html(report: Report) -> str:
    """The banners, the word, the five answers and where the result stands; no script, no picture, nothing from a network."""
    return (
        environment()
        .get_template("summary.html")
        .render(report=report, brief=_brief(report), verdicts=VERDICTS, full=FULL)
    )


def summary_text(report: Report) -> str:
    """The same without markup, in lines of at most 76 characters."""
    brief = _brief(report)
    parts = [report.title, report.subtitle, *(f"{name}: {text}" for name, text in report.banners)]
    parts += [VERDICTS[brief.word][1].upper()] if brief.word in VERDICTS else []
    for answer in brief.answers:
        parts.append(f"{_wrapped(answer.question)}\n{_wrapped(words(answer.text))}")
    facts = [*brief.status.rows, *report.footer]
    parts.append("\n".join(_wrapped(f"{name}: {words(text)}", "  ") for name, text in facts))
    parts.append(FULL)
    return "\n\n".join(part if "\n" in part else _wrapped(part) for part in parts) + "\n"


def _brief(report: Report) -> Brief:
    return next(block for section in report.sections for block in section.blocks if isinstance(block, Brief))


def _wrapped(text: str, behind: str = "") -> str:
    return textwrap.fill(text, WIDTH, subsequent_indent=behind, break_long_words=False, break_on_hyphens=False)
