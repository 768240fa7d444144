"""What a page is made of. Blocks hold words and addresses of numbers; they know no HTML.

A `Ref` is a number with its address `table/row/column` in the released tables, so that a reader (and a test) can follow
every number on the page back to the record.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from aaot_eval.report.figures import Drawing


@dataclass(frozen=True, slots=True)
class Ref:
    """A number as written, and where it stands in the record."""

    text: str
    address: str


Text = str | tuple[str | Ref, ...]


def words(text: Text) -> str:
    """A text without its addresses."""
    return text if isinstance(text, str) else "".join(p if isinstance(p, str) else p.text for p in text)


@dataclass(frozen=True, slots=True)
class Paragraph:
    """One paragraph; `lead` sets it a little larger."""

    text: Text
    lead: bool = False


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading below that of the section."""

    text: str


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list."""

    items: tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and values, side by side."""

    rows: tuple[tuple[str, Text], ...]
    title: str = ""
    code: bool = False


@dataclass(frozen=True, slots=True)
class Notice:
    """A box: something to know (`note`), something that is not there (`missing`), something to beware of (`warning`).

    `table` is the table in whose place a box stands.
    """

    kind: Literal["note", "missing", "warning"]
    title: str
    text: Text
    table: str = ""


@dataclass(frozen=True, slots=True)
class Heads:
    """The head of one column; columns of words have a `width`."""

    text: str
    numeric: bool = False
    width: Literal["", "short", "middling", "wide", "widest"] = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table: `rows` of cells, the first cell of a row names it. `left_out` rows are not shown, and it says so.

    `below` holds, for each row, a text that stands under it across all columns (empty: none), so that long words widen no table.
    `cards`: on a narrow screen each row is a list of names and values, so that a wide table needs no scrolling.
    """

    name: str
    caption: str
    heads: tuple[Heads, ...]
    rows: tuple[tuple[Text, ...], ...]
    note: str = ""
    left_out: int = 0
    emphasis: tuple[bool, ...] = ()
    below: tuple[str, ...] = ()
    cards: bool = False


@dataclass(frozen=True, slots=True)
class Folded:
    """A table that is opened when wanted."""

    summary: str
    table: Table


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing with the table behind it."""

    name: str
    drawing: Drawing
    title: Text
    subtitle: str
    table: Table


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of the first page."""

    question: str
    text: Text


@dataclass(frozen=True, slots=True)
class Brief:
    """The first page: the word, the answers, and where the result stands."""

    word: str
    answers: tuple[Answer, ...]
    status: Facts


Block = Paragraph | Heading | Bullets | Facts | Notice | Table | Folded | Chart | Brief


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the report."""

    name: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """The whole page, ready to be written in any format. `image` is how charts are put in: `svg`, or `png` where the
    disclosure profile lets no SVG out; `wide` gives tables the whole width, and landscape paper."""

    title: str
    subtitle: str
    sections: tuple[Section, ...]
    footer: tuple[tuple[str, str], ...]
    banners: tuple[tuple[str, str], ...] = ()
    image: Literal["svg", "png"] = "svg"
    eyebrow: str = "Evaluation of alcohol assertive outreach treatment"
    kind: str = "evaluation report"
    wide: bool = False

    def charts(self) -> list[Chart]:
        """Every chart, in order."""
        return [b for s in self.sections for b in s.blocks if isinstance(b, Chart)]
