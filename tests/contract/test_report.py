"""The report keeps its promises: whatever is released, every section, figure and sentence stands on the released tables."""

from __future__ import annotations

import re
from functools import cache
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from aaot_eval.report import build_report, figure_files, render_html, render_markdown
from aaot_eval.report.blocks import Chart, Notice, Report, Table
from aaot_eval.report.contents import Source
from aaot_eval.report.figures import FIGURES, Context, Drawing, Gap, _style, draw
from aaot_eval.report.sections import SECTIONS
from aaot_eval.report.words import INVENTED, RATIO_SCALES, fewer, is_missing, number, written
from aaot_eval.results import Release
from aaot_eval.schema import schema_names, table_schema
from aaot_eval.wording import change
from tests.report_fixture import VARIANTS, Variant, changed, release

#: What would claim a reduction. The fixed sentence "rules out a fall larger than" is the only place for a fall.
CLAIMS = re.compile(
    r"\b(lower than expected without|fewer admissions|reduced|reduces|reduction|prevented|fell\b|decreased|cut admissions"
    r"|saves\b|saved|works\b|effective)",
    re.IGNORECASE,
)
WORDS_ON_PAGE_ONE = 450
TABLE_OF_FIGURE = {
    "answer_interval": "estimates", "forest": "estimates", "effect_chart": "series", "site_charts": "series",
    "placebo_strip": "placebo", "regression_gauge": "regression_to_mean", "site_levels": "sites",
    "saving_ladder": "saving", "love_plot": "balance", "site_forest": "pooling", "specification_curve": "specification_curve",
}  # fmt: skip


@cache
def made(variant: Variant) -> tuple[Release, Report, str]:
    released = release(variant)
    report = build_report(released)
    return released, report, render_html(report)


class Page(HTMLParser):
    """What a test must know of a page: its elements, its ids, its text outside charts, and each address with its text."""

    VOID = ("meta", "link", "img", "br", "hr", "input", "wbr")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.ids: list[str] = []
        self.text: list[str] = []
        self.refs: list[tuple[str, str]] = []
        self._ref: tuple[int, str] | None = None
        self._words: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append((tag, found))
        if found.get("id"):
            self.ids.append(str(found["id"]))
        if tag not in self.VOID:
            self.stack.append(tag)
        if "data-ref" in found:
            self._ref, self._words = (len(self.stack), str(found["data-ref"])), []

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.stack, f"</{tag}> closes nothing"
        assert self.stack[-1] == tag, f"</{tag}> closes <{self.stack[-1]}>"
        if self._ref and len(self.stack) == self._ref[0]:
            self.refs.append((self._ref[1], "".join(self._words)))
            self._ref = None
        self.stack.pop()

    def handle_data(self, data: str) -> None:
        if self._ref:
            self._words.append(data)
        if not {"svg", "style", "script"} & set(self.stack):
            self.text.append(data)


def flat(text: str) -> str:
    return " ".join(text.replace("\u2060", "").replace("\u00a0", " ").replace("−", "-").split())


def first_page(html: str) -> str:
    part = html[html.index('<section id="answer"') :]
    return part[: part.index("</section>")]


# ---- Sections -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", sorted(SECTIONS))
def test_every_section_says_something_from_any_release(name: str, variant: Variant) -> None:
    blocks = SECTIONS[name].build(Source(made(variant)[0]))
    assert blocks
    assert SECTIONS[name].build.__doc__


def test_sections_stand_in_the_order_of_the_design() -> None:
    names = [s.name for s in made("full")[1].sections]
    assert names == [
        "answer",
        "service",
        "anyway",
        "effect",
        "harms",
        "wrong",
        "costs",
        "monthly",
        "quality",
        "limits",
        "reproduce",
        "glossary",
    ]


@pytest.mark.parametrize("table", schema_names("release"))
def test_a_missing_table_is_said_and_no_section_goes(table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aaot_eval.report.contents.draw", lambda *_: Gap("not drawn in this test"))
    base = made("full")[0]
    short = {name: frame.head(6) for name, frame in base.tables.items()}
    report = build_report(changed(base, short | {table: None}))
    assert [s.name for s in report.sections] == [s.name for s in made("full")[1].sections]
    said = " ".join(f"{b.title} {b.text}" for s in report.sections for b in s.blocks if isinstance(b, Notice))
    # A table with `aaot:when` = asked belongs to a part that a config has to ask for: without it nothing is missing.
    asked = table_schema("release", table).extra.get("when") == "asked"
    if table not in ("headline", "averted_activity") and not asked:
        assert f"Table {table}" in said or f"table {table}" in said


def test_a_missing_table_gives_the_reason_the_run_gave() -> None:
    html = made("sparse")[2]
    assert "Not shown: people on the caseload" in html
    assert "the input is an aggregated panel: it holds no people" in html


def test_facts_that_are_absent_are_said_to_be() -> None:
    bare = Release(tables=made("full")[0].tables, meta={}, hidden={}, profile="hes")
    html = render_html(build_report(bare))
    assert "not stated" in html
    assert "None" not in "".join(Page(html).text)


def test_an_empty_release_still_makes_a_page_with_every_heading() -> None:
    html = render_html(build_report(Release(tables={}, meta={}, hidden={}, profile="hes")))
    for name in SECTIONS:
        assert SECTIONS[name].title in html
    assert "incomplete: do not use it for a decision" in html


# ---- Figures ------------------------------------------------------------------------------------------------------


def table_of(figure: str, released: Release) -> pd.DataFrame | None:
    frame = released.tables.get(TABLE_OF_FIGURE.get(figure, figure))
    if frame is not None and figure == "effect_chart":
        frame = frame[frame["unit"].isin(["treated", "comparison"])]
    return frame


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("figure", sorted(FIGURES))
def test_a_figure_is_drawn_or_says_why_not(figure: str, variant: Variant) -> None:
    drawn = draw(figure, table_of(figure, made(variant)[0]), Context())
    assert isinstance(drawn, Drawing) or drawn.reason
    if variant == "full":
        assert isinstance(drawn, Drawing)


@pytest.mark.parametrize("figure", sorted(FIGURES))
def test_a_figure_copes_with_empty_hidden_and_missing_cells(figure: str) -> None:
    frame = table_of(figure, made("full")[0])
    assert frame is not None
    assert isinstance(draw(figure, frame.head(0), Context()), Gap)
    numeric = [
        c for c in frame if pd.api.types.is_numeric_dtype(frame[c]) and c not in ("t", "order", "rung", "event_time")
    ]
    for value in ("*", None, np.nan):
        spoilt = frame.astype(dict.fromkeys(numeric, object))
        spoilt[numeric] = value
        assert draw(figure, spoilt, Context())
    half = frame.astype(dict.fromkeys(numeric, object))
    half.loc[half.index[::2], numeric] = "*"
    assert draw(figure, half, Context())
    as_text = frame.astype(dict.fromkeys(numeric, "string"))
    assert isinstance(draw(figure, as_text, Context()), Drawing), "numbers read back as text are numbers"


@pytest.mark.filterwarnings("error:All-NaN:RuntimeWarning")
def test_comparison_sites_whose_every_count_is_hidden_have_no_range() -> None:
    frame = table_of("effect_chart", made("full")[0])
    assert frame is not None
    assert (frame["unit"] == "comparison").any()
    frame = frame.astype({"observed": object})
    frame.loc[frame["unit"] == "comparison", "observed"] = "*"
    found = draw("effect_chart", frame, Context())
    assert isinstance(found, Drawing)
    assert "nan" not in found.description


def shown_numbers(frame: pd.DataFrame, name: str) -> set[str]:
    """Every number of a table as the page writes it, and as a plain number."""
    found: set[str] = set()
    for column in frame.columns:
        kind = str(table_schema("release", name)[str(column)].extra.get("format", ""))
        for row, value in frame[column].items():
            scale = str(frame.at[row, "scale" if kind == "effect" else "unit"]) if kind in ("effect", "by_unit") else ""
            for k in {
                kind,
                "",
                "rate",
                "ratio",
                "change",
                "money",
                "percent",
                "number",
                "count",
                "expected",
                "integer",
                "period",
                *(["log_change"] if column == "trend_per_year" else []),
            }:
                if not is_missing(value) and (k in ("", "period") or not np.isnan(number(value))):
                    found |= set(re.findall(r"\d+(?:,\d{3})*(?:\.\d+)?", written(value, k, scale)))
    return found


#: Numbers that are words of a chart and not results: the line of no difference, the least number of sites, the unit of a rate.
FIXED = {"0", "1", "5", "95", "100,000"}


@pytest.mark.parametrize("variant", ["full", "cannot_tell", "harm", "suppressed"])
def test_every_number_in_the_words_of_a_figure_stands_in_its_table(variant: Variant) -> None:
    released, report, _ = made(variant)
    for chart in report.charts():
        frame = released.tables[chart.table.name].reset_index(drop=True)
        known = shown_numbers(frame, chart.table.name) | FIXED
        counts = {str(k) for k in range(len(frame) + 1)}
        for text in (chart.drawing.title, chart.drawing.description):
            unknown = set(re.findall(r"\d+(?:,\d{3})*(?:\.\d+)?", text)) - known - counts
            assert not unknown, f"{chart.name}: {unknown} in {text!r}"


def test_descriptions_and_ids_are_unique() -> None:
    _, report, html = made("full")
    told = [c.drawing.description for c in report.charts()]
    assert len(set(told)) == len(told) >= 12
    assert all(len(d.split()) >= 15 for d in told)
    ids = Page(html).ids
    assert len(set(ids)) == len(ids)


def test_every_chart_is_named_described_and_followed_by_its_table() -> None:
    html = made("full")[2]
    figures = re.findall(r"<figure .*?</figure>", html, re.DOTALL)
    assert len(figures) == len(made("full")[1].charts())
    for figure in figures:
        svg = re.search(r"<svg.*?</svg>", figure, re.DOTALL)
        assert svg
        named = re.search(
            r'role="img" [^>]*aria-labelledby="(\S+) (\S+)"><title id="\1">[^<]+</title><desc id="\2">[^<]+</desc>',
            figure,
        )
        assert named, figure[:300]
        assert "<text" in svg.group(), "text stays text"
        assert figure.index("</svg>") < figure.index("<details") < figure.index("<table")


def test_a_raw_change_is_never_shown_without_what_selection_alone_would_do() -> None:
    base = made("full")[0]
    gauge = base.tables["regression_to_mean"]
    for kept in (gauge[gauge["what"] != "expected"], gauge.assign(rate=["5.4", "*", "2.6"])):
        page = flat("".join(Page(render_html(build_report(changed(base, {"regression_to_mean": kept})))).text))
        assert not re.search(r"\b(5\.41|2\.63)\b", page)
        assert "selection alone" in page


def test_no_type_in_a_chart_is_smaller_than_twelve_pixels() -> None:
    svg_width, shown_width = 540, 650  # points of the drawing; the least width in pixels the page shows it at
    for size in re.findall(r"font: (?:[a-z]+ |\d+ )*([\d.]+)px", made("full")[2]):
        assert float(size) * shown_width / svg_width >= 12


def test_figures_leave_as_files_of_the_kind_the_profile_lets_out() -> None:
    svg = figure_files(made("full")[1])
    assert all(name.endswith(".svg") and b"<desc>" in content for name, content in svg.items())
    report = build_report(release("sparse", profile="acro"))
    png = figure_files(report)
    assert all(name.endswith(".png") and content.startswith(b"\x89PNG") for name, content in png.items())
    html = render_html(report)
    assert "<svg" not in html
    assert html.count("data:image/png;base64,") == len(report.charts()) == html.count('alt="')


# ---- Words and numbers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_address_leads_to_the_number_shown(variant: Variant) -> None:
    released, _, html = made(variant)
    refs = Page(html).refs
    assert len(refs) > 20
    for address, text in refs:
        table, row, column = address.split("/")
        frame = released.tables[table].reset_index(drop=True)
        value = frame.at[int(row), column]
        kind = str(table_schema("release", table)[column].extra.get("format", ""))
        by = {"effect": "scale", "by_unit": "unit"}.get(kind)
        if column in ("events", "rate") and "outcome" in frame and str(frame.at[int(row), "outcome"]).endswith("cost"):
            kind = "money"
        expected = written(value, kind, str(frame.at[int(row), by]) if by else "")
        shown = (
            {expected, change(number(value))}
            if kind == "ratio" or (kind == "effect" and by and frame.at[int(row), by] in RATIO_SCALES)
            else {expected}
        )
        if column == "trend_per_year":
            shown.add(written(value, "log_change"))
        if re.match("averted|per_patient_year", column):
            shown.add(fewer(expected, number(value)))
        assert flat(text).replace(f" {INVENTED}", "") in set(map(flat, shown)), address


@pytest.mark.parametrize("variant", ["cannot_tell", "sparse", "suppressed"])
def test_nothing_claims_a_reduction_when_the_evaluation_cannot_tell(variant: Variant) -> None:
    html = made(variant)[2]
    page = flat("".join(Page(first_page(html)).text))
    words = page.replace("It rules out a fall larger than", "").replace("Did admissions fall compared", "")
    words = words.replace("cannot tell whether it saves or costs", "")
    assert not CLAIMS.search(words), CLAIMS.search(words)
    assert not re.search(r"\bfall\b", words)
    for chart in made(variant)[1].charts():
        assert not CLAIMS.search(
            f"{chart.drawing.title} {chart.drawing.description}".replace("lower than expected", "")
        )


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_first_page_is_short(variant: Variant) -> None:
    page = first_page(made(variant)[2])
    page = re.sub(r"<details.*?</details>", "", page, flags=re.DOTALL)
    assert len(" ".join(Page(page).text).split()) < WORDS_ON_PAGE_ONE


def test_harm_stands_on_the_first_page_as_a_benefit_would() -> None:
    def shape(html: str) -> list[Any]:
        page = Page(re.sub(r"<figure.*?</figure>", "", first_page(html), flags=re.DOTALL))
        return [(t, a.get("class")) for t, a in page.tags]

    good, bad = made("full")[2], made("harm")[2]
    assert shape(good) == shape(bad)
    assert "21 % higher than expected" in flat("".join(Page(first_page(bad)).text))


def test_money_from_invented_prices_says_so_on_page_one_and_in_each_table() -> None:
    html = made("full")[2]
    text = flat("".join(Page(first_page(html)).text))
    assert "Invented prices" in html
    assert re.search(r"The service costs £", text)
    for sentence in re.findall(r"The service costs £[^.]*\.", text):
        sums = re.findall(r"£[\d,]+(?: to -?£[\d,]+)?", sentence)
        assert sums
        assert sentence.count(INVENTED) == len(sums)
    for table in re.findall(r"<table.*?</table>", html, re.DOTALL):
        assert table.count(INVENTED) == ("£" in table), "a table with sums says so once, in its caption"
        assert INVENTED not in table or INVENTED in re.findall(r"<caption>.*?</caption>", table, re.DOTALL)[0]
    honest = render_html(build_report(release("full", invented_prices=False)))
    assert INVENTED not in honest
    assert "Invented prices" not in honest


def test_artificial_data_are_named_in_the_title_area() -> None:
    html = made("full")[2]
    assert "Artificial data" in html[: html.index("</header>")]
    assert "Artificial data" not in render_html(build_report(release("full", artificial_data=False)))


def test_run_data_cut_and_profile_stand_in_the_footer() -> None:
    html = made("full")[2]
    footer = flat("".join(Page(html[html.index('<footer class="page">') : html.index("</footer>")]).text))
    assert "Run2025-03_a1b2c3" in footer
    assert "Data toMarch 2025" in footer
    assert "Disclosure profilehes" in footer
    assert "@bottom-left" in html


def test_the_least_reachable_p_comes_before_the_estimate() -> None:
    _, report, _ = made("full")
    effect = next(s for s in report.sections if s.name == "effect")
    forest = next(b for b in effect.blocks if isinstance(b, Chart) and b.name == "forest")
    heads = [h.text for h in forest.table.heads]
    assert heads.index("Least reachable p") < heads.index("Estimate") < heads.index("p")


# ---- The page -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_page_is_one_file_without_script_or_network(variant: Variant) -> None:
    html = made(variant)[2]
    page = Page(html)
    assert not page.stack, "every element is closed"
    tags = [t for t, _ in page.tags]
    assert not {"script", "link", "iframe", "object", "embed"} & set(tags)
    assert "http" not in html
    assert "@import" not in html
    for _, attrs in page.tags:
        assert not [a for a in attrs if a.startswith("on")]
        for name in ("src", "href"):
            assert (attrs.get(name) or "#").startswith(("#", "data:image/png;base64,"))
    assert set(re.findall(r"url\((.)", html)) <= {"#"}


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_page_can_be_read_by_everybody(variant: Variant) -> None:
    html = made(variant)[2]
    page = Page(html)
    tags = [t for t, _ in page.tags]
    assert html.startswith("<!DOCTYPE html>")
    assert ("html", {"lang": "en-GB"}) in page.tags
    assert all(tags.count(t) == 1 for t in ("h1", "main", "nav"))
    levels = [int(t[1]) for t in tags if re.fullmatch(r"h[1-6]", t)]
    assert levels[0] == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))
    skip = next(a for t, a in page.tags if t == "a")
    assert skip["href"] == "#content"
    assert "content" in page.ids
    for table in re.findall(r"<table[^>]*>.*?</table>", html, re.DOTALL):
        assert "<caption>" in table
        assert all('scope="' in th for th in re.findall(r"<th\b[^>]*>", table))
    for anchor in [str(a["href"])[1:] for t, a in page.tags if t == "a"]:
        assert anchor in page.ids


def test_the_same_release_gives_the_same_bytes() -> None:
    again = build_report(release("full"))
    assert render_html(again) == made("full")[2]
    assert render_markdown(again) == render_markdown(made("full")[1])
    assert figure_files(again) == figure_files(made("full")[1])


def test_markup_and_formulas_in_names_are_only_text() -> None:
    nasty = '<img src=x onerror="alert(1)">$x^2$ {{ 7*7 }} & =1+1'
    base = made("full")[0]
    tables = {}
    for name, frame in base.tables.items():
        words = [c for c in frame if table_schema("release", name)[str(c)].type == "string" and c in
                 ("unit", "text", "sentence", "note", "step", "item", "where", "arm", "group", "reason", "label", "question")]  # fmt: skip
        tables[name] = frame.assign(
            **{c: frame[c].where(frame[c].isin(["treated", "comparison"]), nasty) for c in words}
        )
    report = build_report(changed(base, tables, title=nasty, run_id='x"; } </style>' + nasty))
    html = render_html(report)
    page = Page(html)
    assert not page.stack
    assert not [t for t, _ in page.tags if t == "img"]
    assert "49" not in page.text
    assert html.count("</style>") == 1
    assert "<img" not in render_markdown(report).replace("\\<img", "")


def test_a_release_read_back_from_files_gives_the_same_page(tmp_path: Any) -> None:
    base, _, html = made("suppressed")
    tables = {}
    for name, frame in base.tables.items():
        mixed = [c for c in frame if frame[c].dtype == object]
        stored = frame.assign(
            **{c: frame[c].map(lambda v: v if is_missing(v) else str(v)).astype("string") for c in mixed}
        )
        stored.to_parquet(tmp_path / f"{name}.parquet", index=False)
        tables[name] = pd.read_parquet(tmp_path / f"{name}.parquet")
    assert render_html(build_report(changed(base, tables))) == html


@pytest.mark.parametrize("variant", VARIANTS)
def test_markdown_holds_the_same_answers(variant: Variant) -> None:
    released, report, _ = made(variant)
    text = render_markdown(report)
    assert text.count("\n## ") == len(report.sections)
    assert flat(str(released.tables["headline"]["sentence"][0])) in flat(text)
    assert all(flat(c.drawing.description)[:40] in flat(text).replace("\\", "") for c in report.charts())


def test_the_report_needs_no_models() -> None:
    import sys

    import aaot_eval.report as package

    sources = [m for n, m in sys.modules.items() if n.startswith("aaot_eval.report") and getattr(m, "__file__", None)]
    assert package in sources
    for module in sources:
        assert not re.search(
            r"^\s*(?:from|import) (?:statsmodels|linearmodels|matplotlib\.pyplot)",
            Path(str(module.__file__)).read_text("utf-8"),
            re.MULTILINE,
        )


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_lines_and_words_can_be_seen_on_the_page() -> None:
    for line in (_style.BLUE, _style.ORANGE, _style.GREEN, _style.PURPLE):
        assert contrast(line, "#ffffff") >= 4.5
    for text in (_style.INK, _style.MUTED):
        for ground in ("#ffffff", _style.GREY_LIGHT, _style.ORANGE_LIGHT):
            assert contrast(text, ground) >= 4.5


# ---- What a reader could take for something else -------------------------------------------------------------------


def said(report: Report) -> str:
    return flat(render_markdown(report)).replace("\\", "")


def of_counts() -> Report:
    """A panel of counts on which nothing started: no people, no costs."""
    base = made("full")[0]
    no_people = ("caseload", "flow", "sites", "rates", "deaths", "regression_to_mean", "service_cost", "saving", "cost_waterfall",
                 "unit_costs", "benefit_lines", "break_even", "cost_ranges", "cost_sensitivity", "patient_groups", "averted_activity",
                 "budget_impact", "persistence", "solve_for", "cost_items", "service_check", "unpriced")  # fmt: skip
    headline = base.tables["headline"].copy()
    headline.loc[2, ["question", "sentence"]] = [
        "What does it cost or save?",
        "No costs: the config has no [costs] table.",
    ]
    why = [{"stage": "patients and costs", "why": "the input is an aggregated panel: it holds no people"}]
    primary = {**base.meta["primary"], "outcome": "admissions", "outcome_title": "admissions"}
    return build_report(changed(base, dict.fromkeys(no_people) | {"headline": headline},
                                engine="panel file", skipped=why, primary=primary, money=None))  # fmt: skip


def test_a_panel_of_counts_is_described_as_counts() -> None:
    report = of_counts()
    assert [s.title for s in report.sections][1] == "The counts"
    missing = [(s.name, b) for s in report.sections for b in s.blocks if isinstance(b, Notice) and b.table]
    assert [name for name, _ in missing] == ["costs"], "one part, which would else be empty"
    boxes = [b for s in report.sections for b in s.blocks if isinstance(b, Notice) and b.title == "Not in this report"]
    assert len(boxes) == 1
    assert "the input is an aggregated panel: it holds no people" in str(boxes[0].text)
    assert "No costs: the config has no [costs] table." in str(missing[0][1].text), "as on the first page"
    drawn = "".join(f"{c.title}{c.subtitle}{c.drawing.description}" for c in report.charts())
    heads = "".join(h.text for c in report.charts() for h in c.table.heads)
    assert "without the service" not in drawn + heads
    assert "expected without a change at the date given" in heads, (
        "sites and a series on one page have no nearer word in common"
    )
    files = b"".join(figure_files(report).values()).decode()
    assert "The date given" in files
    assert "Service starts" not in files
    text = said(report)
    assert "looks for people who come to hospital" not in text


def test_a_cohort_is_not_taken_for_its_hospital() -> None:
    base = made("full")[0]
    estimates, series = base.tables["estimates"].copy(), base.tables["series"].copy()
    estimates.loc[estimates["analysis"] == "site_did", "design"] = "own_cohorts"
    series = series[(series["analysis"] != "site_did") | (series["unit"] == "treated")]
    report = build_report(changed(base, {"estimates": estimates, "series": series}))
    charts = {c.name: c for c in report.charts()}
    whom = "people who newly met the entry rule"
    assert whom in str(charts["answer_interval"].title)
    assert whom in charts["effect_chart_site_did"].subtitle
    assert "it empties and refills" in charts["effect_chart_site_did"].subtitle
    others = [
        c for c in report.charts() if c.name.startswith(("effect_chart", "site_charts")) and "site_did" not in c.name
    ]
    assert others
    assert not any(whom in c.subtitle for c in others)


def test_every_start_of_sites_together_is_marked() -> None:
    base = made("full")[0]
    starts = [{"unit": u, "period": p} for u, p in (("North", "2024-04"), ("South", "2024-07"))]
    chart = next(
        c for c in build_report(changed(base, {}, starts=starts)).charts() if c.name.startswith("effect_chart")
    )
    assert "Vertical lines mark the starts: April 2024 and July 2024." in chart.drawing.description


def test_nothing_is_forecast_before_the_start() -> None:
    series = made("full")[0].tables["series"].copy()
    before = series["phase"] == "before"
    series.loc[before, ["expected_low", "expected_high"]] = 352.6
    report = build_report(changed(made("full")[0], {"series": series}))
    assert "352.6" not in said(report)


@pytest.mark.parametrize(
    ("p", "text"), [(0.0004, "< 0.001"), (0.0005, "0.001"), (0.0014, "0.001"), (0.275, "0.275"), (1.0, "1.000")]
)
def test_p_is_written_one_way(p: float, text: str) -> None:
    assert written(p, "p") == text


@pytest.mark.parametrize(("log", "text"), [(-0.04, "−3.9 %"), (0.04, "4.1 %"), (-0.0004, "0.0 %"), (0.0049, "0.5 %")])
def test_a_change_in_logs_is_written_as_the_per_cent_it_is(log: float, text: str) -> None:
    assert written(log, "log_change") == text


def test_the_least_p_has_four_decimals() -> None:
    assert written(1 / 2184, "least_p") == "0.0005"
    assert written(1 / 56, "least_p") == "0.0179"


@pytest.mark.parametrize(
    ("value", "scale", "text"),
    [
        (-0.001326, "rate_difference", "−0.0013"),
        (0.0098, "difference", "0.0098"),
        (0.0999, "rate_difference", "0.100"),
        (-12.345, "rate_difference", "−12.35"),
        (0.0, "difference", "0.00"),
        (0.0013, "rate_ratio", "0.00"),
    ],
)
def test_a_small_difference_keeps_two_figures(value: float, scale: str, text: str) -> None:
    assert written(value, "effect", scale) == text


def test_estimates_on_several_scales_say_which() -> None:
    base = made("full")[0]
    estimates = base.tables["estimates"].copy()
    last = estimates.index[-1]
    values = ["rate_difference", -0.001326, -0.0026, -0.00003]
    estimates.loc[last, ["scale", "estimate", "conf_low", "conf_high"]] = values
    text = render_html(build_report(changed(base, {"estimates": estimates})))
    assert "Rate difference" in text
    assert "−0.0026" in text


def test_checks_are_counted_of_the_result_and_of_those_beside_it() -> None:
    base = made("full")[0]
    checks = base.tables["checks"].head(3).assign(
        analysis=["site_did", "site_did", "other"], verdict=["pass", "warn", "pass"])  # fmt: skip
    text = render_html(build_report(changed(base, {"checks": checks})))
    assert "1 passed, 1 warning; of the results beside it: 1 passed" in text


def test_a_dip_the_design_does_not_rest_on_is_no_passed_test() -> None:
    checks = made("full")[0].tables["checks"].head(1).assign(
        check="dip", verdict="pass", sentence="1.80 times: dip, certain. This result does not rest on one.")  # fmt: skip
    text = said(build_report(changed(made("full")[0], {"checks": checks})))
    assert "selection removed by design" in text


def test_people_are_counted_once_or_named_person_launches() -> None:
    rates, deaths = made("full")[0].tables["rates"], made("full")[0].tables["deaths"]
    launch = rates.head(1).assign(arm="treated, launch 2024-04")
    both = pd.concat([rates, launch], ignore_index=True)
    report = build_report(changed(made("full")[0], {"rates": both}))
    tables = {c.name: c.table for c in report.charts()}
    assert "Person-launches" in [h.text for h in tables["deaths"].heads]
    assert "serves each launch once" in tables["deaths"].note
    assert not deaths.empty
    first = next(t for s in report.sections for t in s.blocks if isinstance(t, Table) and t.name == "rates")
    assert "People" not in [h.text for h in first.heads]


def test_one_hidden_cell_is_one_cell() -> None:
    base = made("full")[0]
    one = Release(tables=base.tables, meta=base.meta, hidden={"series": 1}, profile=base.profile)
    assert "; 1 cell hidden" in said(build_report(one))


@pytest.mark.parametrize("tag", ["<script>alert(1)</script>", "<!-- x -->", "</p>", "<?php"])
def test_no_markup_of_a_name_reaches_the_markdown(tag: str) -> None:
    base = made("full")[0]
    costs = base.tables["service_cost"].assign(item=f"Nurse {tag}")
    caseload = base.tables["caseload"].assign(unit=f"North {tag}")
    text = render_markdown(
        build_report(changed(base, {"service_cost": costs, "caseload": caseload}, title=f"Study {tag}"))
    )
    assert not re.search(r"<(?=[A-Za-z/!?])", text)
    assert f"Study &lt;{tag[1:4]}" in text


def test_charts_shrink_with_the_page() -> None:
    html = made("full")[2]
    charts = re.search(r"\.chart svg \{([^}]*)\}", html)
    assert charts
    assert "width: 100%" in charts[1]
    assert "height: auto" in charts[1]
    assert "min-width" not in charts[1], "a chart wider than the screen loses what is on its right"
    assert all("viewBox" in tag for tag in re.findall(r'<svg role="img"[^>]*>', html))


def test_a_long_name_of_a_file_does_not_lie_over_what_is_said_of_it() -> None:
    """A name such as extracts/apc_2122.csv has no place to break, and its column is narrow on paper."""
    assert re.search(r"\.facts dt \{[^}]*min-width: 0; overflow-wrap: anywhere; \}", made("full")[2])


def test_on_paper_small_tables_stay_whole_and_no_head_stands_alone() -> None:
    """What a browser does with these rules was looked at in print; here they are held to be there."""
    html = made("full")[2]
    paper = html[html.index("@media print") :]
    assert re.search(r"table\.few \{ break-inside: avoid; \}", paper)
    assert re.search(r"thead \{ display: table-header-group; break-after: avoid; \}", paper)
    assert re.search(r"tbody tr:nth-child\(-n \+ 3\), tbody tr:last-child, tr\.below \{ break-before: avoid; \}", paper)
    assert re.search(r"h2, h3, figcaption, caption \{ break-after: avoid; \}", paper)
    assert "break-inside: avoid" in re.findall(r"\.chart, figcaption, tr[^}]*\}", paper)[0]
    for table in re.findall(r"<table.*?</table>", html, re.DOTALL):
        rows = len(re.findall(r"<tr", table)) - 1 - table.count('class="below"')
        assert ("few" in table[: table.index(">")]) == (rows <= 12)
