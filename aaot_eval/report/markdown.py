"""Blocks to plain text, for reviewers and for comparing two runs line by line."""

from __future__ import annotations

import re

from aaot_eval.report.blocks import (
    Block,
    Brief,
    Bullets,
    Chart,
    Facts,
    Folded,
    Heading,
    Notice,
    Paragraph,
    Report,
    Table,
    Text,
    words,
)
from aaot_eval.report.words import VERDICTS

_TAG = re.compile(r"<(?=[A-Za-z/!?])")


def render_markdown(report: Report) -> str:
    """The whole report as Markdown; charts stand as their titles, descriptions and tables."""
    lines = [f"# {_plain(report.title)}", "", _plain(report.subtitle), ""]
    for name, text in report.banners:
        lines += [f"**{name}.** {text}", ""]
    for section in report.sections:
        lines += [f"## {section.title}", ""]
        for block in section.blocks:
            lines += [*_lines(block), ""]
    lines += ["---", "", " · ".join(f"{k}: {_plain(v)}" for k, v in report.footer)]
    return "\n".join(lines) + "\n"


def _lines(block: Block) -> list[str]:
    match block:
        case Paragraph():
            return [_plain(block.text)]
        case Heading():
            return [f"### {_plain(block.text)}"]
        case Bullets():
            return [f"- {_plain(item)}" for item in block.items]
        case Facts():
            return [f"- {_plain(name)}: {_plain(text)}" for name, text in block.rows]
        case Notice():
            return [f"> **{_plain(block.title)}.** {_plain(block.text)}"]
        case Table():
            return _table(block)
        case Folded():
            return _table(block.table)
        case Chart():
            return [f"**{_plain(block.title)}**", "", _plain(block.drawing.description), "", *_table(block.table)]
        case Brief():
            return _brief(block)


def _brief(brief: Brief) -> list[str]:
    lines = [f"**{VERDICTS[brief.word][1]}**" if brief.word in VERDICTS else "", ""]
    for answer in brief.answers:
        lines += [f"**{_plain(answer.question)}** {_plain(answer.text)}", ""]
    return [*lines, *_lines(brief.status)]


def _table(table: Table) -> list[str]:
    lines = [f"*{_plain(table.caption)}* (table {table.name})", ""]
    lines.append("| " + " | ".join(_plain(h.text) for h in table.heads) + " |")
    lines.append("|" + "|".join("---:" if h.numeric else "---" for h in table.heads) + "|")
    lines += ["| " + " | ".join(_plain(c) for c in row) + " |" for row in table.rows]
    lines += [f"{'' if k else chr(10)}- {_plain(text)}" for k, text in enumerate(t for t in _said(table) if t)]
    if table.left_out:
        lines += ["", f"{table.left_out} more rows are in the table {table.name}."]
    return [*lines, *(["", _plain(table.note)] if table.note else [])]


def _said(table: Table) -> list[str]:
    """What stands under the rows, each with the name of its row."""
    return [f"{words(row[0])}: {text}" if text else "" for row, text in zip(table.rows, table.below, strict=False)]


def _plain(text: Text) -> str:
    """One line, with what Markdown or HTML would read as markup made harmless.

    A "<" that could open a tag becomes an entity: a backslash is no protection in a reader that knows HTML alone.
    """
    flat = " ".join(words(text).split())
    for sign in ("\\", "|", "*", "_", "`", "[", "#"):
        flat = flat.replace(sign, f"\\{sign}")
    return _TAG.sub("&lt;", flat)
