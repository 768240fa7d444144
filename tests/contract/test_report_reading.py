"""What a reader met who knew nothing of the report: labels that fit, notes that are true, nothing said over and over."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from aaot_eval.report import build_report, render_markdown
from aaot_eval.report.blocks import Brief, Chart, Folded, Notice, Paragraph, Report, Table, words
from aaot_eval.report.contents import Source, table
from aaot_eval.report.figures import Context, Drawing, draw
from aaot_eval.report.figures._lines import lines_of
from aaot_eval.report.words import written
from aaot_eval.results import Release
from aaot_eval.wording import change
from tests.report_fixture import changed, release

LONG = "from hospitals with and without the service, averted admissions shared over the patient-years"


@cache
def made() -> tuple[Release, Report]:
    released = release("full")
    return released, build_report(released)


def drawn(figure: str, frame: pd.DataFrame, context: Context | None = None) -> Drawing:
    drawing = draw(figure, frame, context or Context())
    assert isinstance(drawing, Drawing)
    return drawing


def test_the_note_of_the_cost_items_claims_no_sum_that_another_table_has() -> None:
    tables = [b for s in made()[1].sections for b in s.blocks if isinstance(b, Table) and b.name == "cost_items"]
    assert "the lines add up to the row “All care”" in tables[0].note
    assert "need not agree" in tables[0].note


def test_folds_have_names_of_their_own() -> None:
    names = [b.summary for s in made()[1].sections for b in s.blocks if isinstance(b, Folded)]
    assert len(names) == len(set(names))


def test_labels_of_the_forest_stay_on_the_figure_and_apart() -> None:
    rows = made()[0].tables["estimates"].head(3).assign(
        scale="rate_ratio", estimate=0.8, conf_low=0.7, conf_high=0.9, primary=[True, False, False],
        estimator="triple_difference", outcome=["alcohol_specific_emergency", "non_alcohol_emergency", "non_alcohol_emergency"],
    )  # fmt: skip
    figure = drawn("forest", rows).figure
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [t.get_window_extent(renderer) for t in figure.axes[0].texts]
    assert min(b.x0 for b in boxes) >= 0
    assert max(b.x1 for b in boxes) <= figure.bbox.width
    labels = sorted(
        (b for b, t in zip(boxes, figure.axes[0].texts, strict=True) if "riple" in t.get_text()), key=lambda b: b.y0
    )
    assert len(labels) == 3
    assert all(low.y1 < high.y0 for low, high in pairwise(labels))


def test_a_series_without_a_site_is_the_mean_over_sites() -> None:
    row = made()[0].tables["estimates"].head(1).assign(
        design="series", estimator="its", unit="", n_units=3, scale="rate_ratio", estimate=0.8)  # fmt: skip
    assert lines_of(row)[0].label == "Interrupted time series, mean over sites"


def test_ratios_of_people_and_of_sites_are_not_to_be_compared() -> None:
    charts = [b for s in made()[1].sections for b in s.blocks if isinstance(b, Chart) and b.name == "forest"]
    assert "cannot be compared with ratios of the other" in charts[0].subtitle


def test_the_estimate_of_the_break_even_figure_has_its_interval_and_its_label_beside_it() -> None:
    figure = drawn("break_even", made()[0].tables["break_even"]).figure
    axes, renderer = figure.axes[0], FigureCanvasAgg(figure).get_renderer()
    now = made()[0].tables["break_even"].set_index("unit").loc["share"]
    assert any(list(line.get_xdata()) == [now["now_low"], now["now_high"]] for line in axes.lines)
    (label,) = (t for t in axes.texts if "estimated" in t.get_text())
    box, mark = label.get_window_extent(renderer), axes.transData.transform((now["now"], 0))
    assert box.x0 <= mark[0] <= box.x1
    assert 0 <= box.x0 < box.x1 <= figure.bbox.width
    assert mark[1] - box.y1 < 25


def test_who_pays_is_said_and_what_was_not_entered_is_said_once() -> None:
    blocks = next(s for s in made()[1].sections if s.name == "costs").blocks
    paid = [words(b.text) for b in blocks if isinstance(b, Paragraph) and "pays for the service" in words(b.text)]
    assert len(paid) == 1
    assert "The commissioner pays for the service: £315,000 in the first year, £286,500 in a later one" in paid[0]
    assert "setting up" in paid[0]
    text = render_markdown(made()[1])
    assert text.count("not entered: activity") == 1


def budget_said(**changed_facts: object) -> str:
    facts = {"funder": "commissioner", "fill": [0.6, 1.0, 1.0], "activity_paid_share": 0.2, "variable_share": None,
             "given": ["activity_paid_share", "fill", "years"], "marginal": False, **changed_facts}  # fmt: skip
    blocks = next(s for s in build_report(changed(made()[0], {}, budget=facts)).sections if s.name == "costs").blocks
    (said,) = (words(b.text) for b in blocks if isinstance(b, Paragraph) and "[costs.budget]" in words(b.text))
    return said


def test_what_the_budget_impact_rests_on_is_said_beside_it_and_what_was_not_entered_is_called_assumed() -> None:
    said = budget_said()
    assert "(funder): the commissioner (assumed, nothing was entered)" in said
    assert "(fill): 60 % in year 1 and 100 % from year 2 on (entered)" in said
    assert "(activity_paid_share): 20 % (entered)" in said
    assert "(variable_share): not entered" in said
    said = budget_said(
        funder="provider", fill=[1.0, 1.0], given=["funder"], activity_paid_share=0.0, variable_share=0.35
    )
    assert "(funder): the provider (entered)" in said
    assert "(fill): 100 % in every year (assumed, nothing was entered)" in said
    assert "(activity_paid_share): 0 % (entered)" in said
    assert "(variable_share): 35 % (entered)" in said
    said = budget_said(fill=[0.5, 0.75, 1.0], marginal=True)
    assert "50 % in year 1, 75 % in year 2 and 100 % in year 3" in said
    assert said.count("because the prices are marginal") == 2
    text = render_markdown(made()[1])
    assert "rest on what is put in" not in text, "a run that says nothing of its budget is not given one"


def test_cash_is_not_estimated_in_one_table_and_given_in_another() -> None:
    tables = [b for s in made()[1].sections for b in s.blocks if isinstance(b, Table)]
    heads = [h.text for t in tables if t.name == "budget_impact" for h in t.heads]
    assert "No longer spent, at the share entered" in heads
    assert not any("Cash released" in h for h in heads)
    (lines,) = (t for t in tables if t.name == "benefit_lines")
    assert "it follows from a share that was entered" in lines.note
    budget = made()[0].tables["budget_impact"].assign(cash_released=None)
    bare = build_report(changed(made()[0], {"budget_impact": budget}))
    (lines,) = (b for s in bare.sections for b in s.blocks if isinstance(b, Table) and b.name == "benefit_lines")
    assert "share that was entered" not in lines.note
    boxes = [b.title for s in made()[1].sections for b in s.blocks if isinstance(b, Notice)]
    assert "Not shown: net cost in cash of the commissioner" in boxes


def test_a_service_cost_that_the_caseload_seen_disputes_is_disputed_on_the_first_page() -> None:
    def service(seen: float | None) -> list[str]:
        frame = made()[0].tables["service_check"].copy()
        frame.loc[frame["measure"] == "Bottom-up cost", "seen"] = seen
        (brief,) = (
            b
            for b in build_report(changed(made()[0], {"service_check": frame})).sections[0].blocks
            if isinstance(b, Brief)
        )
        return [words(value) for name, value in brief.status.rows if name == "Service cost"]

    (said,) = service(7_130.0)
    assert said.startswith(
        "£4,870 for each patient-year at the planned occupancy, which the net sums take; £7,130 over the caseload seen"
    )
    assert len(service(4_300.0)) == 1
    assert service(5_300.0) == [], "apart by less than a tenth"
    assert service(None) == [], "hidden or not known"


def test_bars_of_the_ranges_start_at_the_base_which_is_drawn_and_said() -> None:
    frame = made()[0].tables["cost_ranges"]
    base = made()[0].tables["saving"].query("headline")["saving"].iloc[0]
    drawing = drawn("cost_ranges", frame.assign(saving_at_base=base))
    axes = drawing.figure.axes[0]
    assert len(axes.patches) == 2 * len(frame)
    assert all(base in (pytest.approx(p.get_x()), pytest.approx(p.get_x() + p.get_width())) for p in axes.patches)
    assert any(list(line.get_xdata()) == [base, base] and line.get_linestyle() == "--" for line in axes.lines)
    charts = [b for s in made()[1].sections for b in s.blocks if isinstance(b, Chart) and b.name == "cost_ranges"]
    assert f"the headline net saving of {written(base, 'money')}" in charts[0].subtitle
    assert "a dashed line marks the base" in charts[0].drawing.description
    without = drawn("cost_ranges", frame)
    assert "base" not in without.description, "without a base none is drawn"


def test_a_payer_without_any_sum_has_no_panel_and_millions_are_written_out() -> None:
    frame = made()[0].tables["budget_impact"]
    rows = frame[frame["scenario"] == "ends"].copy()
    rows.loc[rows["payer"] == "provider", "cash_released"] = None
    rows.loc[rows["payer"] == "system", ["value_of_resources", "value_high"]] = 1_900_000.0
    drawing = drawn("budget_impact", rows)
    assert len(drawing.figure.axes) == 2
    FigureCanvasAgg(drawing.figure).draw()
    ticks = [t.get_text() for t in drawing.figure.axes[0].get_yticklabels()]
    assert "£1 million" in ticks
    assert "£500,000" in ticks


def test_passed_checks_are_folded_and_the_answer_in_money_is_not_repeated() -> None:
    released, report = made()
    shown = [b for s in report.sections for b in s.blocks if isinstance(b, Table) and b.name == "checks"]
    assert all("Passed" not in words(row[0]) for t in shown for row in t.rows)
    folded = [b for s in report.sections for b in s.blocks if isinstance(b, Folded) and b.table.name == "checks"]
    assert sum(len(b.table.rows) for b in folded) == (released.tables["checks"]["verdict"] == "pass").sum()
    sentence = released.meta["money"]["sentence"]
    costs = next(s for s in report.sections if s.name == "costs").blocks
    assert not any(sentence in words(b.text).replace(" [invented]", "") for b in costs if isinstance(b, Paragraph))


def test_long_words_of_a_wide_table_stand_under_its_rows_once() -> None:
    frame = pd.concat([made()[0].tables["averted_activity"].head(1)] * 4, ignore_index=True)
    said = [LONG, LONG, LONG, LONG.upper()]
    source = Source(made()[0])
    columns = ["analysis", "design", "averted", "people", "patient_years", "per_patient_year", "label"]
    shown = table(source, "averted_activity", frame.assign(label=said), columns, "Many")
    assert shown.below == ("", "", f"Read with it (3 rows above): {LONG}", f"Read with it: {LONG.upper()}")
    assert len(shown.heads) == len(shown.rows[0]) == 6
    alike = table(source, "averted_activity", frame.assign(label=LONG), columns, "Many", note="And this.")
    assert alike.note == f"Read with it: {LONG}. And this."
    assert not alike.below
    few = table(source, "averted_activity", frame.assign(label=said), columns[-3:], "Few")
    assert len(few.heads) == 3


# ---- What hangs together, and what is said once -------------------------------------------------------------------


def page_one(report: Report) -> str:
    brief = next(b for b in report.sections[0].blocks if isinstance(b, Brief))
    return " ".join(words(text) for _, text in brief.status.rows)


def test_the_first_page_says_whose_admissions_each_effect_is_about_and_how_they_hang_together() -> None:
    said = page_one(made()[1])
    assert "Lower by 21 % over all admissions of the sites with the service" in said
    assert "over those of people who newly met the entry rule" in said
    assert "over those of people taken on" in said
    assert "uptake (55 % of their time)" in said
    assert "what is spared for each person who met the rule" in said
    harm = page_one(build_report(release("harm")))
    assert "Higher by 21 %" in harm
    assert "what is added for each person taken on" in harm
    assert "spared" not in harm, "nothing is spared where admissions rose"
    unclear = page_one(build_report(release("cannot_tell")))
    assert "From 26 % lower to 17 % higher over all admissions" in unclear
    assert "ower by" not in unclear
    assert "the difference for each person taken on" in unclear
    without = build_report(changed(made()[0], {"linked_effects": None}))
    assert "uptake" not in page_one(without), "without an effect on those taken on nothing is linked"


def test_the_doubt_of_the_answer_holds_for_the_sizes_beside_it() -> None:
    doubt = "The doubt named in the answer is about these too."
    assert doubt not in page_one(made()[1])
    assert doubt in page_one(build_report(changed(made()[0], {}, verdict={"word": "lower_but", "sentence": "so."})))


def test_the_first_page_says_when_the_service_starts_and_where() -> None:
    assert "Service starts: October 2022 to April 2023, at 2 sites" in facts_of(made()[1])
    one = changed(made()[0], {}, starts=[{"unit": "North", "period": "2024-04"}])
    assert "Service starts: April 2024, at 1 site\n" in facts_of(build_report(one))
    assert "starts" not in facts_of(build_report(changed(made()[0], {}, starts=[])))


def facts_of(report: Report) -> str:
    """The box of page one, one fact a line."""
    brief = next(b for b in report.sections[0].blocks if isinstance(b, Brief))
    return "".join(f"{name}: {words(text)}\n" for name, text in brief.status.rows)


def own_cohorts(*over_hospital: dict[str, object], **facts: object) -> str:
    """Page one's box of a trust alone, with these estimates over its whole hospital."""
    base = made()[0]
    estimates = base.tables["estimates"]
    primary = estimates[estimates["analysis"] == "site_did"].head(1).assign(
        analysis="own_cohorts", design="own_cohorts", estimator="own_cohorts")  # fmt: skip
    its = estimates[estimates["analysis"] == "its"].head(1).assign(unit="North")
    rows = [primary, *(its.assign(**row) for row in over_hospital)]
    about = {**base.meta["primary"], "analysis": "own_cohorts", "design": "own_cohorts"}
    return facts_of(
        build_report(changed(base, {"estimates": pd.concat(rows, ignore_index=True)}, primary=about, **facts))
    )


def test_a_trust_alone_has_the_whole_hospital_on_page_one_or_why_not() -> None:
    both = own_cohorts(
        {"estimate": 0.94, "conf_low": 0.79, "conf_high": 1.10, "p_value": 0.41},
        {
            "analysis": "controlled_its",
            "estimator": "controlled_its",
            "estimate": 0.85,
            "conf_low": 0.70,
            "conf_high": 1.04,
            "p_value": 0.096,
        },
    )
    assert (
        "Whole hospital: From 30 % lower to 4 % higher (95 % interval); rate ratio 0.85 (0.70 to 1.04); p = 0.096: the interval includes 1, no difference. "
        "This is over all alcohol-specific emergency admissions of the hospital, against a control series.\n"
    ) in both
    alone = own_cohorts({"estimate": 0.94, "conf_low": 0.79, "conf_high": 1.10, "p_value": 0.41})
    assert "From 21 % lower to 10 % higher (95 % interval); rate ratio 0.94 (0.79 to 1.10)" in alone
    assert "against its own past alone, so that anything else that changed then is in it." in alone
    refused = own_cohorts(
        {"estimate": None, "conf_low": None, "conf_high": None, "note": "Fewer than 6 periods after the start"}
    )
    assert "Whole hospital: Cannot be told: fewer than 6 periods after the start.\n" in refused
    assert "Whole hospital: Cannot be told: no estimate over all its admissions was made.\n" in own_cohorts()
    told = own_cohorts(skipped=[{"stage": "its", "why": "The series has 8 periods before the start"}])
    assert "Whole hospital: Cannot be told: the series has 8 periods before the start.\n" in told
    assert "Whole hospital" not in facts_of(made()[1]), "a comparison of sites is about whole hospitals already"


def test_which_event_study_is_drawn_is_said() -> None:
    def caption(**changes: object) -> str:
        base = made()[0]
        estimates = base.tables["estimates"].copy()
        for column, value in changes.items():
            estimates.loc[estimates["analysis"] == "site_did", column] = value
        times = base.tables["event_time"]
        beside = pd.concat([times, times.assign(analysis="two_way")], ignore_index=True)
        report = build_report(changed(base, {"estimates": estimates, "event_time": beside}))
        return next(c for c in report.charts() if c.name.startswith("event_time")).subtitle

    assert caption() == (
        "Drawn are the points of the primary analysis (sites compared): sites with the service against comparison sites, each month "
        "against the mean of the year before the start; bars are pointwise intervals, so that a few miss 0 % by chance. Not drawn, in "
        "tables/event_time.csv: two-way model."
    )
    study = caption(estimator="event_study")
    assert "each month against the last month before the start; bars hold for all points at once." in study


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (0.00042, "small", "0.00042"),
        (-0.0018, "small", "−0.0018"),
        (0.0123, "small", "0.012"),
        (0.0, "small", "0.000"),
        (4e-9, "small", "0.000"),
        (0.0012, "percent", "< 0.5 %"),
        (0.0, "percent", "0 %"),
        (0.9971, "percent", "> 99.5 %"),
        (1.0, "percent", "100 %"),
        (0.006, "percent", "1 %"),
    ],
)
def test_what_is_not_nothing_never_reads_nothing(value: float, kind: str, text: str) -> None:
    assert written(value, kind) == text


def test_a_chart_of_an_estimate_without_an_interval_does_not_say_what_the_interval_holds() -> None:
    base = made()[0]
    estimates = base.tables["estimates"].copy()
    estimates.loc[estimates["analysis"] == "site_did", ["conf_low", "conf_high"]] = None
    report = build_report(changed(base, {"estimates": estimates}))
    title = next(words(c.title) for c in report.charts() if c.name == "effect_chart_site_did")
    assert title.endswith(": there is no finite interval")
    assert "includes" not in title


def test_an_entry_rule_is_not_taken_for_its_hospitals_and_its_p_not_for_that_of_randomisation() -> None:
    base = made()[0]
    estimates = base.tables["estimates"].copy()
    estimates.loc[estimates["primary"], ["design", "estimator", "conf_method"]] = [
        "entry_rule",
        "entry_rule",
        "random_effects_t",
    ]
    report = build_report(changed(base, {"estimates": estimates}))
    chart = next(c for c in report.charts() if c.name == "answer_interval")
    assert "of people who newly met the entry rule" in words(chart.title)
    assert chart.subtitle.endswith("not about all admissions of the hospitals.")
    text = render_markdown(report)
    assert "The least p that randomisation can reach is 0.0179; p and interval are those of random effects." in text
    assert "The least p this design can reach" in render_markdown(made()[1])


@pytest.mark.parametrize(("design", "whom"), [("own_cohorts", "before launch"), ("risk_set", "elsewhere")])
def test_a_trust_alone_is_compared_with_nobody_elsewhere(design: str, whom: str) -> None:
    base = made()[0]
    estimates = base.tables["estimates"].copy()
    estimates.loc[estimates["analysis"] == "entry_rule", ["analysis", "design"]] = ["p", design]
    names = [
        "analysis",
        "phase",
        "people",
        "events",
        "person_years",
        "rate",
        "rate_like",
        "ratio",
        "conf_low",
        "conf_high",
    ]
    phases = pd.DataFrame([("p", "during", 500, 800, 400.0, 2.0, 4.0, 0.5, 0.4, 0.6)], columns=names)
    report = build_report(changed(base, {"estimates": estimates, "phases": phases}))
    shown = next(b for s in report.sections for b in s.blocks if isinstance(b, Table) and b.name == "phases")
    assert shown.caption.endswith(whom)
    assert f"People like them {whom}" in [h.text for h in shown.heads]


def sensitivity() -> pd.DataFrame:
    """Two ways to fit the series of two sites; the second way was not run at one of them."""
    rows = [
        ("its", "North", "AR(1) errors", 0.80, 0.70, 0.91, 0.001, "the headline: wider"),
        ("its", "South", "AR(1) errors", 0.85, 0.70, 1.03, 0.1, "the headline: wider"),
        ("its", "North", "AR(2) errors", 0.81, 0.71, 0.92, 0.0001, "rho 0.10: too low"),
        ("its", "South", "AR(2) errors", None, None, None, None, "fewer than 6 periods: not run"),
    ]
    names = ["analysis", "unit", "method", "estimate", "conf_low", "conf_high", "p_value", "note"]
    return pd.DataFrame(rows, columns=names)


def test_ways_to_fit_a_series_stand_once_with_the_sites_side_by_side() -> None:
    base = made()[0].tables["estimates"]
    again = base.head(1).assign(
        analysis="its_ar2", estimator="its", unit="North", estimate=0.81, conf_low=0.71, conf_high=0.92, primary=False,
        note="sensitivity: AR(2) errors. rho 0.10: too low.", inference="Wald t with 16.7 degrees of freedom")  # fmt: skip
    estimates = pd.concat([base, again.assign(analysis="its", note="", estimate=0.80), again], ignore_index=True)
    report = build_report(changed(made()[0], {"sensitivity": sensitivity(), "estimates": estimates}))
    blocks = next(s for s in report.sections if s.name == "effect").blocks
    ways = next(b for b in blocks if isinstance(b, Table) and b.name == "sensitivity")
    assert [h.text for h in ways.heads] == ["Way", "North", "South", "Read with it"]
    rows = [[words(c) for c in row] for row in ways.rows]
    assert rows[0] == [
        "AR(1) errors",
        "0.80 (0.70 to 0.91; p = 0.001)",
        "0.85 (0.70 to 1.03; p = 0.100)",
        "the headline; wider",
    ]
    assert rows[1][:3] == ["AR(2) errors", "0.81 (0.71 to 0.92; p < 0.001)", ""]
    assert rows[1][3] == "North: rho 0.10; too low; 16.7 df; South: fewer than 6 periods; not run", (
        "nothing said is lost"
    )
    text = render_markdown(report)
    assert text.count("rho 0.10") == 1, "an estimate that restates a way does not stand a second time"


def test_periods_stand_once_with_the_sites_side_by_side_and_every_number() -> None:
    released, report = made()
    shown = [b.table for s in report.sections for b in s.blocks if isinstance(b, Chart) and b.table.name == "series"]
    wide = [t for t in shown if t.heads[0].text == "Period" and len(t.heads) > 6]
    assert wide
    for table_ in wide:
        periods = [words(row[0]) for row in table_.rows]
        assert len(periods) == len(set(periods))
        assert "Phases: " in table_.note
    series = released.tables["series"]
    together = series[(series["analysis"] == "site_did") & series["unit"].isin(["treated", "comparison"])]
    observed = {f"series/{i}/observed" for i in together.index if pd.notna(together.at[i, "observed"])}
    there = {
        part.address
        for t in wide
        for row in t.rows
        for c in row
        if isinstance(c, tuple)
        for part in c
        if not isinstance(part, str)
    }
    assert observed <= there


def test_deaths_by_arm_are_drawn_and_hidden_ones_are_said() -> None:
    frame = made()[0].tables["deaths"].reset_index(drop=True)
    told = drawn("deaths", frame)
    assert all(written(rate, "rate") in told.description for rate in frame["rate"])
    spoilt = frame.astype({"rate": object})
    spoilt.loc[0, "rate"] = "*"
    assert "too few to show" in drawn("deaths", spoilt).title
    assert any("too few to show" in t.get_text() for t in drawn("deaths", spoilt).figure.axes[0].texts)


def test_what_a_check_found_stands_once() -> None:
    base = made()[0]
    sentence = "The drift before the start was 6.7 %, which is much."
    checks = base.tables["checks"].head(1).assign(check="trend_violation", verdict="warn", sentence=sentence)
    limits = base.tables["limits"].head(1).assign(kind="check", text=sentence)
    report = build_report(changed(base, {"checks": checks, "limits": limits}))
    limit = next(s for s in report.sections if s.name == "limits")
    said = [words(t) for b in limit.blocks if type(b).__name__ == "Bullets" for t in b.items]  # type: ignore[union-attr]
    assert said == ["Trend violation: warning; its finding stands under “Could this be wrong?”."]
    assert render_markdown(report).count(sentence) == 1


def status_of(report: Report, name: str) -> list[str]:
    """The rows of that name in the box of the first page, as read."""
    (brief,) = (b for b in report.sections[0].blocks if isinstance(b, Brief))
    return [words(value) for title, value in brief.status.rows if title == name]


@pytest.mark.parametrize("variant", ["full", "cannot_tell", "harm"])
def test_the_chart_the_table_and_the_headline_of_page_one_say_one_change(variant: str) -> None:
    """A per cent in the sentence beside a ratio in the chart has to be worked out by the reader: both say the per cent."""
    released = release(variant)  # type: ignore[arg-type]
    row = released.tables["estimates"].query("primary").iloc[0]
    low, high = change(row["conf_low"]), change(row["conf_high"])
    chart = next(c for c in build_report(released).charts() if c.name == "answer_interval")
    assert f"{low} to {high}" in words(chart.title)
    assert f"{written(row['conf_low'], 'ratio')} to {written(row['conf_high'], 'ratio')}" in words(chart.title), (
        "and the ratio"
    )
    heads = [h.text for h in chart.table.heads]
    assert words(chart.table.rows[0][heads.index("Interval of the change")]) == f"{low} to {high}"
    labels = [t.get_text() for t in chart.drawing.figure.axes[0].texts]
    assert any(f"{low} to {high}" in label for label in labels)
    clear = not row["conf_low"] <= 1 <= row["conf_high"]
    assert words(chart.title).count(change(row["estimate"])) == clear, (
        "without a direction the estimate is not read out as one"
    )
    ticks = [t.get_text() for t in chart.drawing.figure.axes[0].get_xticklabels()]
    assert "0 %\n1" in ticks
    assert all(" %" in t or "times" in t for t in ticks)


def test_page_one_has_the_answer_in_events_with_its_sign_explained() -> None:
    base = made()[0]
    frame = base.tables["averted_activity"]
    mine = (frame["analysis"] == base.meta["primary"]["analysis"]) & (
        frame["outcome"] == base.meta["primary"]["outcome"]
    )
    assert mine.sum() == 1

    def said(verdict: str = "lower", **cells: float | None) -> list[str]:
        changed_rows = frame.copy()
        changed_rows.loc[mine, list(cells)] = list(cells.values())
        report = build_report(changed(base, {"averted_activity": changed_rows}, verdict={"word": verdict}))
        return status_of(report, "In numbers")

    sizes = {"averted": 1880.0, "averted_low": 1460.0, "averted_high": 2270.0}
    each = {"per_patient_year": 2.71, "per_patient_year_low": 2.11, "per_patient_year_high": 3.28}
    assert said(**sizes, **each) == [
        "Alcohol-specific emergency admissions against what was expected: 1,880 fewer (1,460 fewer to 2,270 fewer) over all periods "
        "with the service, 2.71 fewer (2.11 fewer to 3.28 fewer) for each patient-year on the caseload."
    ]
    (unclear,) = said("cannot_tell", **sizes | {"averted_low": -60.0}, **dict.fromkeys(each))
    assert unclear.endswith("expected: from 60 more to 2,270 fewer over all periods with the service.")
    (harm,) = said("higher", averted=-300.0, averted_low=-420.0, averted_high=-180.0, **dict.fromkeys(each))
    assert harm.endswith("expected: 300 more (180 more to 420 more) over all periods with the service.")
    (doubted,) = said("lower_but", **sizes, **each)
    assert doubted.endswith("The doubt named in the answer is about these too.")
    assert said(**dict.fromkeys([*sizes, *each])) == ["Not shown: too few people are behind it."]


def test_an_answer_without_a_number_of_events_says_why() -> None:
    base = made()[0]

    def said(**without: bool) -> str:
        estimates = base.tables["estimates"].copy()
        if without.get("interval"):
            estimates.loc[estimates["primary"].astype(bool), ["conf_low", "conf_high"]] = None
        report = build_report(
            changed(base, {"averted_activity": base.tables["averted_activity"].head(0), "estimates": estimates})
        )
        (text,) = status_of(report, "In numbers")
        return text

    assert (
        said(interval=True)
        == "Not given. The answer has no interval, and a number without one would say more than is known."
    )
    assert said() == "Not given. This run made no such table: its design or its data give none."


def test_break_even_is_not_read_from_two_intervals_that_move_together() -> None:
    """At the low end of the fall care as usual cost less, so that a bar beyond the dashed line is no certain saving."""
    chart = next(c for c in made()[1].charts() if c.name == "break_even")
    assert "told by the interval of the net saving above" in chart.subtitle


def test_the_people_of_the_gauge_are_not_called_the_whole_caseload() -> None:
    chart = next(c for c in made()[1].charts() if c.name == "regression_gauge")
    for text in (chart.subtitle, chart.drawing.description, chart.table.caption):
        assert "on the caseload who met the entry rule" in text
    assert "fewer than are on the caseload" in chart.table.note


@pytest.mark.parametrize(("estimate", "low", "high"), [(0.02, 0.001, 9.4), (8.0, 0.5, 40.0), (0.5, 0.4, 0.6)])
def test_the_words_above_the_interval_of_page_one_stay_on_the_figure(estimate: float, low: float, high: float) -> None:
    rows = made()[0].tables["estimates"].head(1).assign(estimate=estimate, conf_low=low, conf_high=high)
    figure = drawn("answer_interval", rows).figure
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [t.get_window_extent(renderer) for t in figure.axes[0].texts]
    assert min(b.x0 for b in boxes) >= 0
    assert max(b.x1 for b in boxes) <= figure.bbox.width
    assert min(b.y0 for b in boxes) >= 0
    assert max(b.y1 for b in boxes) <= figure.bbox.height
    ticks = [t.get_window_extent(renderer) for t in figure.axes[0].get_xticklabels() if t.get_text()]
    assert all(a.x1 < b.x0 for a, b in pairwise(ticks))


def test_the_mark_of_invented_prices_stands_before_a_comma() -> None:
    said = Source(made()[0]).money(
        "over the caseload seen it was £7,870, with which it costs £1,500 to £2,000.50 more."
    )
    assert (
        said
        == "over the caseload seen it was £7,870 [invented], with which it costs £1,500 to £2,000.50 [invented] more."
    )


def test_a_comparison_with_earlier_people_is_not_called_the_world_without_the_service() -> None:
    """The sentence says "than among those who met it before the service"; the chart under it may not say more."""
    estimates = made()[0].tables["estimates"].copy()
    estimates.loc[estimates["primary"].astype(bool), "design"] = "own_cohorts"
    chart = next(
        c for c in build_report(changed(made()[0], {"estimates": estimates})).charts() if c.name == "answer_interval"
    )
    for text in (words(chart.title), chart.subtitle, chart.drawing.description):
        assert "expected from those who met it before the service" in text
        assert "without the service" not in text


def test_a_mark_without_an_interval_can_be_seen_on_page_one() -> None:
    rows = made()[0].tables["estimates"].head(1).assign(estimate=1.18, conf_low=np.nan, conf_high=np.nan)
    (mark,) = (line for line in drawn("answer_interval", rows).figure.axes[0].lines if line.get_marker() == "D")
    assert mark.get_markerfacecolor() == "white"
    assert mark.get_markeredgecolor() != "white", "white on white is no mark"


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("figure", ["forest", "site_forest"])
def test_forests_are_read_in_per_cent_first(figure: str, wide: bool) -> None:
    rows = made()[0].tables["estimates" if figure == "forest" else "pooling"].copy()
    if wide:  # as where a further site is predicted from few
        rows["conf_low"], rows["conf_high"] = 0.31, 3.95
    axes = drawn(figure, rows).figure.axes[0]
    ticks = [t.get_text() for t in axes.get_xticklabels() if t.get_text()]
    assert "0 %\n1" in ticks
    assert axes.get_xlabel().startswith("0 % = no difference")
    renderer = FigureCanvasAgg(axes.figure).get_renderer()
    axes.figure.draw(renderer)  # places the words below the axis
    boxes = [t.get_window_extent(renderer) for t in axes.get_xticklabels() if t.get_text()]
    assert all(a.x1 < b.x0 for a, b in pairwise(boxes))
    assert axes.xaxis.label.get_window_extent(renderer).y0 >= 0


def test_the_cost_of_the_service_says_which_of_the_two_it_is() -> None:
    chart = next(c for c in made()[1].charts() if c.name == "service_cost")
    assert "for each patient-year at the planned occupancy" in words(chart.title)
    assert chart.subtitle == "For each patient-year at the planned occupancy, which every net sum takes."
