"""Blocks to one self-contained page: no script, nothing from a network, charts inside as SVG with their text kept as text."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import matplotlib
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG

from aaot_eval.report.blocks import Chart, Ref, Report, Text
from aaot_eval.report.figures import Drawing
from aaot_eval.report.figures._style import STYLE
from aaot_eval.report.words import INVENTED, MINUS, VERDICTS

HOME = Path(__file__).resolve().parent
FONTS = "system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
PNG_DPI = 160
_DECIMALS = re.compile(r"(\.\d\d)\d+")  # a hundredth of a point is finer than any screen


def render_html(report: Report) -> str:
    """The page as text (UTF-8). The same report gives the same bytes on the same machine."""
    page = environment().get_template("template.html")
    style = Markup((HOME / "style.css").read_text("utf-8"))  # noqa: S704 - our own file
    return page.render(report=report, style=style, verdicts=VERDICTS, count=_Counter(), charts=_Charts(report.image))


def figure_files(report: Report) -> dict[str, bytes]:
    """Every chart as a file of its own, by file name: SVG, or PNG where the disclosure profile lets no SVG out."""
    if report.image == "png":
        return {f"{c.name}.png": png_bytes(c.drawing) for c in report.charts()}
    return {f"{c.name}.svg": svg_file(c.drawing) for c in report.charts()}


@cache
def environment() -> Environment:
    """What the templates of pages are filled with."""
    env = Environment(
        loader=FileSystemLoader(HOME), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    env.filters["spoken"] = spoken
    env.filters["css_string"] = css_string
    env.tests["several"] = lambda value: isinstance(value, tuple)
    env.globals["kind"] = lambda block: type(block).__name__
    return env


def spoken(text: Text) -> Markup:
    """A text as HTML: escaped, each number of the record with its address."""
    parts = (text,) if isinstance(text, str) else text
    return Markup("").join(_part(p) for p in parts)


def _part(part: str | Ref) -> Markup:
    if isinstance(part, Ref):
        return Markup('<span data-ref="{}">{}</span>').format(part.address, _typeset(part.text))
    return _typeset(part)


def _typeset(text: str) -> Markup:
    """The text escaped; a number stays with its unit and sign, and what is invented is marked as such."""
    text = re.sub(rf"[-{MINUS}]£", f"{MINUS}\u2060£", text).replace(f" {INVENTED}", f"\u00a0{INVENTED}")
    text = re.sub(r"(?<=\d) (?=%)", "\u00a0", text)
    return escape(text).replace(INVENTED, Markup('<span class="invented">{}</span>').format(INVENTED))


def css_string(text: str) -> Markup:
    """A text that can stand between quotes in a style sheet."""
    safe = re.sub(r"[^\w .,:;()/+-]", "", text)
    return Markup(safe)  # noqa: S704 - nothing is left that ends a string or a style


@dataclass
class _Counter:
    """Numbers figures and tables in the order of the page."""

    seen: dict[str, int] = field(default_factory=dict)

    def __call__(self, kind: str) -> int:
        self.seen[kind] = self.seen.get(kind, 0) + 1
        return self.seen[kind]


@dataclass(frozen=True)
class _Charts:
    image: str

    def __call__(self, chart: Chart) -> Markup:
        """The chart as an element of the page, with its name and description."""
        if self.image == "png":
            data = base64.b64encode(png_bytes(chart.drawing)).decode()
            return Markup('<img src="data:image/png;base64,{}" alt="{}">').format(data, chart.drawing.description)
        return inline_svg(chart.drawing, chart.name)


def svg_file(drawing: Drawing) -> bytes:
    """The chart as an SVG file with its title and description inside."""
    text = _saved(drawing)
    extra = f"<title>{escape(drawing.title)}</title><desc>{escape(drawing.description)}</desc>"
    return re.sub(r"(<svg [^>]*>)", lambda m: m.group(1) + extra, text, count=1).encode("utf-8")


def inline_svg(drawing: Drawing, name: str) -> Markup:
    """The chart as an element for a page; its ids carry the name of the chart, so that they are unique on the page."""
    text = _saved(drawing)
    body = text[text.index("<svg ") :]
    inside = body[body.index(">") + 1 : body.rindex("</svg>")]
    box = re.search(r'viewBox="([^"]*)"', body)
    inside = re.sub(r"<metadata>.*?</metadata>", "", inside, flags=re.DOTALL)
    inside = re.sub(r"<defs>\s*<style[^>]*>.*?</style>\s*</defs>", "", inside, flags=re.DOTALL)
    inside = re.sub(r' (?:d|x|y|transform)="[^"]*"', lambda m: _DECIMALS.sub(r"\1", m.group()), inside)
    inside = inside.replace("xlink:href", "href").replace("'DejaVu Sans'", FONTS)
    inside = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", inside)
    head = Markup(
        '<svg role="img" viewBox="{box}" aria-labelledby="{name}-t {name}-d"><title id="{name}-t">{title}</title>'
        '<desc id="{name}-d">{description}</desc>'
    ).format(
        box=box.group(1) if box else "0 0 540 300", name=name, title=drawing.title, description=drawing.description
    )
    return head + Markup(inside.strip() + "</svg>")  # noqa: S704 - made by matplotlib, which escapes its texts


def _saved(drawing: Drawing) -> str:
    out = io.StringIO()
    with matplotlib.rc_context(STYLE):
        FigureCanvasSVG(drawing.figure).print_svg(
            out, metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
        )
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def png_bytes(drawing: Drawing) -> bytes:
    """The chart as a PNG."""
    out = io.BytesIO()
    with matplotlib.rc_context({**STYLE, "figure.dpi": PNG_DPI}):
        drawing.figure.set_dpi(PNG_DPI)
        FigureCanvasAgg(drawing.figure).print_png(out, metadata={"Software": None})
    return out.getvalue()
