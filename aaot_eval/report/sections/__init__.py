"""The parts of the report, one file each; a new file is found by itself and stands where its order says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aaot_eval.registry import Registry
from aaot_eval.report.blocks import Block
from aaot_eval.report.contents import Source

Builder = Callable[[Source], Sequence[Block]]


@dataclass(frozen=True, slots=True)
class Part:
    """One section: where it stands, what it is called, and what makes its blocks."""

    order: int
    title: str
    build: Builder


SECTIONS: Registry[Part] = Registry("report section", "aaot_eval.report.sections")


def section(name: str, *, order: int, title: str) -> Callable[[Builder], Builder]:
    """Decorator: register a function from the release to blocks as a section."""

    def put(build: Builder) -> Builder:
        SECTIONS.register(name)(Part(order, title, build))
        return build

    return put
