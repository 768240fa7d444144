"""The page of an options appraisal, from its tables and facts alone; it works nothing out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from aaot_eval.report.blocks import (
    Block,
    Bullets,
    Chart,
    Facts,
    Folded,
    Heading,
    Heads,
    Notice,
    Paragraph,
    Ref,
    Report,
    Section,
    Table,
    Text,
)
from aaot_eval.report.figures import Gap
from aaot_eval.report.figures._options import options_chart
from aaot_eval.report.words import INVENTED, is_missing, listed, sentence_case, written

NOT_ENTERED = "not entered"
#: 0 is a number that was entered: what is for each person served has no value then, and that is another thing than a blank.
NOBODY = "nobody served"
OF_THE_SERVED = frozenset({"cost_person", "break_even", "break_even_few", "break_even_many", "admissions_to_avoid",
                           "admissions_to_avoid_year", "cost_to_cover_uptake"})  # fmt: skip
AS_TODAY = "as today"
BADGES = {
    "M": "M measured here",
    "E": "E measured elsewhere, controlled",
    "B": "B before and after",
    "X": "X opinion or theory",
    "0": "0 not entered",
    "reference": "reference",
}
POUNDS = re.compile(r"£[\d,]+")
SHOWN = (
    ("M", "Measured here: a finished run of this tool", "effect, net cost, interval"),
    ("E", "Measured elsewhere: a study with a comparison, similar people", "as M, with the interval widened by the transfer factor"),
    ("B", "Before and after, no comparison", "the effect beside the fall to be expected anyway; never a net saving"),
    ("X", "Opinion or theory", "cost, capacity and break-even only"),
    ("0", "Not entered", "what is missing"),
)  # fmt: skip
#: head and format of each column of each table; a column that is not here stands in the CSV only.
COLUMNS: Mapping[str, Sequence[tuple[str, str, str]]] = {
    "cost": (
        ("option", "Option", ""), ("served", "People served", "expected"), ("wte", "WTE", "rate"),
        ("cost_year", "Cost a year", "money"), ("cost_year_low", "from", "money"), ("cost_year_high", "to", "money"), ("cost_person", "For each person a year", "money"), ("set_up", "Set-up, once", "money"),
        ("months_to_full", "Months to full", "integer"), ("main_condition", "Main condition", ""),
    ),
    "effect": (
        ("option", "Option", ""), ("badge", "Evidence", ""), ("effect", "Fall", "percent"),
        ("effect_low", "from", "percent"), ("effect_high", "to", "percent"), ("effect_status", "What it is", ""),
        ("net_saving", "Net saving for each person a year", "money"), ("net_low", "from", "money"), ("net_high", "to", "money"),
        ("net_status", "Net", ""),
    ),
    "break_even": (
        ("option", "Option", ""), ("break_even", "Fall needed", "percent"), ("break_even_few", "at low caseload", "percent"),
        ("break_even_many", "at high caseload", "percent"), ("admissions_to_avoid", "Admissions to avoid for each person a year", "rate"),
        ("admissions_to_avoid_year", "Admissions to avoid a year", "expected"), ("break_even_status", "Note", ""),
    ),
    "capacity": (
        ("option", "Option", ""), ("eligible", "Eligible", "expected"), ("uptake", "Expected uptake", "expected"),
        ("capacity", "Capacity of the staff", "expected"), ("served", "People served", "expected"), ("capacity_gap", "Gap, people", "expected"),
        ("contacts_a_month", "Contacts a month for each person", "rate"), ("cost_to_cover_uptake", "Cost a year to cover the uptake", "money"),
    ),
    "consequences": (
        ("option", "Option", ""), ("cost_person", "Cost for each person a year", "money"), ("outcome", "Outcome", ""), ("badge", "Evidence", ""),
        ("measure", "Measure", ""), ("value", "Value", "ratio"), ("low", "from", "ratio"), ("high", "to", "ratio"), ("status", "Note", ""),
        ("design", "Design", ""), ("place", "Place", ""), ("people", "People", ""), ("date", "Date", ""), ("source", "Source", ""),
    ),
    "before_after": (
        ("option", "Option", ""), ("fall_before_after", "Fall, before to after", "percent"),
        ("fall_expected_anyway", "Fall to be expected anyway", "percent"), ("effect", "What is left", "percent"),
    ),
    "phasing": (
        ("option", "Option", ""), ("quarter", "Quarter", "integer"), ("people", "People", "expected"), ("capacity", "Capacity", "expected"),
        ("running", "Running cost", "money"), ("set_up", "Set-up", "money"), ("of_it_double_running", "of it double running", "money"),
    ),
    "horizon": (
        ("option", "Option", ""), ("years", "Years", "integer"), ("person_years", "Person-years", "expected"), ("cost", "Cost", "money"),
        ("averted", "Averted", "money"), ("net_saving", "Net saving", "money"), ("net_low", "from", "money"), ("net_high", "to", "money"),
        ("fade", "Effect after leaving", ""), ("note", "Note", ""),
    ),
    "combinations": (
        ("combination", "Combination", ""), ("people", "People reached", "expected"), ("people_both", "by both", "expected"),
        ("cost_year", "Cost a year", "money"), ("break_even", "Fall needed", "percent"), ("effect_both", "Fall, reached by both", "percent"),
        ("effect_half_additive", "half-additive", "percent"), ("net_saving", "Net saving a year", "money"), ("net_low", "from", "money"), ("net_high", "to", "money"), ("status", "Note", ""),
    ),
    "ranking": (
        ("option", "Option", ""), ("population", "People", ""), ("p_best", "Best", "percent"),
        ("p_beats_reference", "Better than doing nothing", "percent"), ("net", "Net saving a year", "money"), ("net_low", "from", "money"),
        ("net_high", "to", "money"), ("learn", "Worth of certainty a year", "money"), ("study", "Smallest study", "number"),
    ),
    "ladder": (
        ("option", "Option", ""), ("population", "People", ""), ("cost", "Net cost a year", "money"), ("effect", "Admissions avoided a year", "expected"),
        ("extra_cost", "Further cost", "money"), ("extra_effect", "Further admissions avoided", "expected"),
        ("icer", "Pounds for each further one", "money"), ("words", "Place", ""),
    ),
    "not_ranked": (("option", "Option", ""), ("badge", "Evidence", ""), ("why", "Why not ranked", "")),
    "scoring": (("option", "Option", ""), ("score", "Score", "tenths"), ("score_low", "from", "tenths"), ("score_high", "to", "tenths"),
                ("p_rank_1", "First", "percent")),
    "conditions": (("option", "Option", ""), ("kind", "Kind", ""), ("what", "What", ""), ("state", "State", "")),
    "measures": (("option", "Option", ""), ("measure", "Measure", ""), ("value", "Value", "number"), ("unit", "Unit", ""), ("source", "Source", "")),
    "cost_lines": (
        ("option", "Option", ""), ("item", "Line", ""), ("kind", "Kind", ""), ("wte", "WTE", "rate"), ("annual_cost", "A year", "money"),
        ("once", "Once", "money"), ("years", "Years", "rate"), ("terms", "Employer and terms", ""), ("source", "Source", ""),
    ),
    "same_terms": (("what", "Same for all", ""), ("value", "Value", ""), ("sha256", "Hash", "")),
}  # fmt: skip
COST_HELD = (
    "Its interval is that of the effect alone, for E with cost held at what was entered: the range of a year's cost stands in the table of costs "
    "and is not in it. Of M it is the interval of the run, which draws the run's own cost with it."
)
#: Columns that are there only where some option has a range.
RANGE = ("cost_year_low", "cost_year_high")
#: Columns in which an empty cell is no number that could have been entered.
NOT_ASKED = {"net_saving", "net_low", "net_high", "effect", "effect_low", "effect_high", "once", "years", "wte", "value", "low", "high",
             "cost_year_low", "cost_year_high", "averted", "effect_both", "effect_half_additive", "study", "extra_cost", "extra_effect", "icer"}  # fmt: skip


def build_options_report(
    tables: Mapping[str, pd.DataFrame], warnings: Sequence[str], facts: Mapping[str, Any]
) -> Report:
    """The whole page: a panel for each population, then what all options share."""
    page = _Page(tables, facts)
    sections = [Section("summary", "What this shows", tuple(page.summary(warnings)))]
    several = len(facts["populations"]) > 1
    for k, name in enumerate(page.populations()):
        place = f"options_{k + 1}"
        title = f"Options for {name}" if several else "Options side by side"
        sections.append(Section(place, title, tuple(page.panel(name, k))))
    sections += [
        Section("consequences", "Each outcome by its evidence", tuple(page.outcomes())),
        Section("need", "Who is reached", tuple(page.need())),
        Section("phasing", "Over time", tuple(page.over_time())),
        Section("combinations", "Combinations", tuple(page.combinations())),
        Section("ranking", "Ranking", tuple(page.ranking())),
        Section("conditions", "Conditions, risks and standards", tuple(page.conditions())),
        Section("missing", "What is missing", tuple(page.missing())),
        Section("terms", "The same for all", tuple(page.terms())),
    ]
    banners = (
        (("Invented numbers", "Some numbers say that they were made up. No sum of money here is real."),) if facts["invented"] else ()
    )  # fmt: skip
    return Report(
        title=str(facts["title"]),
        subtitle=f"{len(tables['options'])} options, {facts['price_year'] or 'price year not entered'}, "
        f"{(facts['perspective'] or 'perspective not entered').replace('_', ' ')}",
        sections=tuple(sections),
        footer=(
            ("Appraisal", str(facts["name"])),
            ("Seed", str(facts["seed"])),
            ("Made with", f"aaot-eval {facts['version']}"),
        ),
        banners=banners,
        eyebrow="Options appraisal",
        kind="options appraisal",
    )


class _Page:
    """The blocks of each section."""

    def __init__(self, tables: Mapping[str, pd.DataFrame], facts: Mapping[str, Any]) -> None:
        self.tables, self.facts = tables, facts
        self.names = dict(zip(tables["options"]["option"], tables["options"]["name"], strict=True))
        self.blank = tables["missing"].groupby("option", sort=False)["missing"].count().to_dict()

    def populations(self) -> list[str]:
        """The populations that an option is for, in the order of the options."""
        return list(dict.fromkeys(self.tables["options"]["population"].tolist()))

    def shown(
        self, name: str, caption: str, frame: pd.DataFrame | None = None, *, of: str = "", note: str = ""
    ) -> Table:
        """A table of the page; `of` names the CSV its rows stand in, when it is another."""
        frame = self.tables[of or name] if frame is None else frame
        columns = [
            c
            for c in COLUMNS[name]
            if c[0] in frame and ((c[2] and c[0] not in RANGE) or not all(map(is_missing, frame[c[0]])))
        ]
        mark = f" {INVENTED}" if self.facts["invented"] else ""
        rows = tuple(
            tuple(self._cell(of or name, frame, row, field, kind) for field, _, kind in columns) for row in frame.index
        )
        heads = tuple(Heads(head + (mark if kind == "money" else ""), numeric=bool(kind), width="" if kind else _width(frame[field]))
                      for field, head, kind in columns)  # fmt: skip
        return Table(of or name, caption, heads, rows, note=note)

    def _cell(self, table: str, frame: pd.DataFrame, row: Any, field: str, kind: str) -> Text:
        value: Any = frame.at[row, field]
        if field == "option" and value in self.names:
            return f"{value} {self.names[value]}"
        if field == "badge":
            return BADGES.get(str(value), str(value))
        if is_missing(value) and "badge" in frame and frame.at[row, "badge"] == "reference":
            return AS_TODAY if kind and field not in NOT_ASKED else ""
        if is_missing(value) and field in OF_THE_SERVED and "served" in frame and frame.at[row, "served"] == 0:
            return NOBODY
        if is_missing(value) and field == "set_up" and frame.at[row, "badge"] == "M":
            return "in the year"
        if is_missing(value):
            return "" if field in NOT_ASKED or not kind else NOT_ENTERED
        return (Ref(written(value, kind), f"{table}/{row}/{field}"),) if kind else str(value)

    def summary(self, warnings: Sequence[str]) -> list[Block]:
        """What may and may not be read from the page, and the warnings."""
        facts = self.facts
        blocks: list[Block] = [
            *self._in_three_sentences(),
            Paragraph(
                "Service models on the same people, prices and horizon. A number stands here only because it was entered with a source, "
                "or measured by a run of this tool; where it was not, the page says so and works nothing out from it."
            ),
            Facts(
                (
                    ("Priced outcome", str(facts["outcome"])),
                    ("Price year", facts["price_year"] or NOT_ENTERED),
                    ("Perspective", (facts["perspective"] or NOT_ENTERED).replace("_", " ")),
                    (
                        "Transfer factor",
                        NOT_ENTERED if facts["transfer_factor"] is None else f"{facts['transfer_factor']:g}",
                    ),
                    ("Ranking", "asked for" if facts["ranked"] else "not asked for"),
                )
            ),
        ]
        if warnings:
            blocks += [Heading("Warnings"), Bullets(tuple(warnings))]
        for option, effect, money in facts["sentences"]:
            blocks.append(Notice("note", f"Option {option} was measured by a run", f"{effect} {money}"))
        badges = Table(
            "badges", "What each badge lets be shown", (Heads("Badge"), Heads("Meaning", width="wide"), Heads("Shown", width="wide")), SHOWN
        )  # fmt: skip
        return [*blocks, Folded("What each badge lets be shown", badges)]

    def _in_three_sentences(self) -> list[Block]:
        """What is cheapest, what dominates and what cannot be said, for each population."""
        frame = self.tables["summary"]
        mark = f" {INVENTED}" if self.facts["invented"] else ""
        blocks: list[Block] = []
        for name, rows in frame.groupby("population", sort=False):
            if frame["population"].nunique() > 1:
                blocks.append(Heading(f"For {name}"))
            blocks += [Paragraph((Ref(POUNDS.sub(rf"\g<0>{mark}", str(rows.at[i, "sentence"])), f"summary/{i}/sentence"),), lead=True)
                       for i in rows.index]  # fmt: skip
        return blocks

    def panel(self, population: str, k: int) -> list[Block]:
        """O1 and O2 for the options of one population."""
        frame = self.tables["options"]
        frame = frame[frame["population"] == population]
        blocks: list[Block] = [
            self.shown("cost", "What each option costs", frame, of="options",
                       note="Cost a year holds the yearly share of setting up. People served: at any one time, once full."),
            self.shown("effect", f"What each option does to {self.facts['outcome']}, as far as its evidence allows", frame, of="options",
                       note="A net saving is given for M and E only. A positive number is cheaper than doing nothing. " + COST_HELD),
            *self._before_after(frame),
            Heading("What each option must achieve"),
            *self._break_even(frame, k),
            Heading("Whether the staff cover the uptake"),
            self.shown("capacity", "Capacity against uptake", frame, of="options",
                       note="Without enough capacity, cost for each person and effect are for the people served only."),
        ]  # fmt: skip
        return blocks

    def _before_after(self, frame: pd.DataFrame) -> list[Block]:
        rows = frame[(frame["badge"] == "B") & frame["fall_before_after"].notna()]
        if rows.empty:
            return []
        return [
            Notice("warning", "Before and after without a comparison",
                   "People are taken on at their worst, so a fall follows without any service. No saving is worked out from these."),
            self.shown("before_after", "Fall before to after, and the fall to be expected anyway", rows, of="options"),
        ]  # fmt: skip

    def _break_even(self, frame: pd.DataFrame, k: int) -> list[Block]:
        table = self.shown(
            "break_even", f"Fall in {self.facts['outcome']} at which each option pays for itself", frame, of="options"
        )
        drawing = options_chart(frame.reset_index(drop=True), str(self.facts["outcome"]))
        if isinstance(drawing, Gap):
            return [Notice("missing", "Chart not drawn: break-even", f"{sentence_case(drawing.reason)}."), table]
        subtitle = (
            "Dot: break-even; thick bar: from low to high caseload; thin bar below: interval of a measured effect."
        )
        blocks: list[Block] = [Chart(f"break_even_{k + 1}", drawing, drawing.title, subtitle, table)]
        far = [o for o in self.facts["too_far"] if o in set(frame["option"])]
        if far:
            blocks.append(Notice("warning", "Beyond any plausible effect",
                                 f"The break-even of {listed([f'{o} {self.names[o]}' for o in far])} lies to the right of it."))  # fmt: skip
        return blocks

    def outcomes(self) -> list[Block]:
        """The cost-consequence table."""
        if self.tables["consequences"].empty:
            return [Notice("missing", "No outcome was entered", "No option has an effect line.")]
        text = "Cost and outcomes side by side. They are not made into one figure: how much each outcome is worth is for those who decide."
        return [Paragraph(text), self.shown("consequences", "Cost and outcomes of each option")]

    def need(self) -> list[Block]:
        """O3: a grid of quadrants by options."""
        frame = self.tables["need"]
        quadrants = list(dict.fromkeys(frame["quadrant"]))
        by = frame.set_index(["option", "quadrant"])
        rows = tuple(
            (f"{o} {self.names[o]}", *(_reach(by.loc[(o, q)]) for q in quadrants))
            for o in dict.fromkeys(frame["option"])
        )
        heads = (Heads("Option", width="middling"), *(Heads(sentence_case(q), width="middling") for q in quadrants))
        note = "Share of the eligible people of a quadrant who are reached. Shares of several options are not added: they may be the same people."
        return [Table("need", "Quadrants of need and who reaches them", heads, rows, note=note)]

    def over_time(self) -> list[Block]:
        """O4 and the sums over the horizon."""
        if self.tables["phasing"].empty:
            why = "No option has its staff, set-up, uptake, capacity and months to full entered, or the horizon is not."
            return [Notice("missing", "Not shown: cost and people by quarter", why)]
        text = "What becomes of an effect after people leave is an assumption entered for each option, not a result."
        note = "Present values: nothing within twelve months is discounted, then by whole years. The interval is that of the effect alone."
        quarters = self.shown("phasing", "Cost and people by quarter")
        return [
            Paragraph(text),
            self.shown("horizon", "Over the horizon", note=note),
            Folded("Cost and people by quarter", quarters),
        ]

    def combinations(self) -> list[Block]:
        """O5, with its rule."""
        rule = "the sum, as asked for" if self.facts["additive"] else "the larger of the two"
        text = (
            f"Options that reach the same person do not add their effects: counted is {rule}; beside it stands the larger and half of the "
            "other. Costs add. As many people as possible are taken to be reached by both."
        )
        if self.tables["combinations"].empty:
            return [
                Paragraph(text),
                Notice("missing", "No combination was entered", "No option says in layers_on what it lies over."),
            ]
        return [
            Paragraph(text),
            self.shown(
                "combinations",
                "Options laid over others",
                note=f"The interval takes the lower ends of both effects together, and the upper ends. {COST_HELD}",
            ),
        ]

    def ranking(self) -> list[Block]:
        """Nothing unless asked for; then probabilities, among measured evidence only; and scores when there are any."""
        blocks: list[Block] = []
        if not self.facts["ranked"]:
            blocks.append(
                Paragraph("Options are not ranked: nobody asked for it. The order of the tables means nothing.")
            )
        else:
            blocks += self._ranks()
        if "scoring" in self.tables:
            text = (
                "Weights and scores were entered with ranges and drawn evenly from them; money is no part of the score."
            )
            blocks += [
                Heading("Weighted scores"),
                Paragraph(text),
                self.shown("scoring", "Scores and the share of draws in which each is first"),
            ]
        return blocks

    def _ranks(self) -> list[Block]:
        ranked, rest = self.tables["ranking"], self.tables["not_ranked"]
        said = f"{len(ranked)} of {len(ranked) + len(rest)} options could be ranked: only measured evidence (M and E) carries a net figure."
        contested = bool(ranked["population"].duplicated().any())
        if not contested and len(ranked):
            said += " With one option there is nothing to rank; it takes two for the same people."
        blocks: list[Block] = [Paragraph(said)]
        if contested:
            note = (
                f"Share of {self.facts['draws']:,} draws over the interval of each effect and the range of its caseload; other inputs are held. "
                "Worth of certainty: what knowing this option's net saving exactly would be worth a year. Smallest study: how many times the "
                "information of the present evidence gives a chance of 5 % that the order changes; empty = no study can."
            )
            blocks.append(self.shown("ranking", "Probability of being best, by net saving a year", note=note))
            positions = [str(c) for c in ranked if str(c).startswith("p_rank_")]
            heads = (
                Heads("Option", width="middling"),
                *(Heads(c.removeprefix("p_rank_"), numeric=True) for c in positions),
            )
            rows = tuple((self.names[ranked.at[i, "option"]], *("" if is_missing(ranked.at[i, c]) else (Ref(written(ranked.at[i, c], "percent"), f"ranking/{i}/{c}"),)
                                                               for c in positions)) for i in ranked.index)  # fmt: skip
            blocks.append(Folded("Probability of each rank", Table("ranking", "Probability of each rank", heads, rows)))
        if len(self.tables["ladder"]):
            text = (
                "At the estimates, the options as alternatives to each other and to doing nothing; cost is net of the admissions averted. It holds no "
                "uncertainty: read it with the probabilities above."
            )
            blocks.append(self.shown("ladder", "What each further admission avoided costs", note=text))
        if len(rest):
            blocks.append(self.shown("not_ranked", "Not ranked"))
        return blocks

    def conditions(self) -> list[Block]:
        """What has to be in place, what may go wrong, and other numbers of each option."""
        blocks: list[Block] = []
        table = self.tables["conditions"]
        for option in dict.fromkeys(table["option"]):
            rows = table[table["option"] == option].drop(columns="option")
            shown = self.shown("conditions", f"{option} {self.names[option]}", rows)
            blocks.append(Folded(f"{option} {self.names[option]}", shown))
        if not self.tables["measures"].empty:
            blocks.append(
                Folded("Other numbers of the options", self.shown("measures", "Other numbers of the options"))
            )
        if not self.tables["cost_lines"].empty:
            blocks.append(Folded("Cost lines", self.shown("cost_lines", "Cost lines of the options")))
        return blocks

    def missing(self) -> list[Block]:
        """O7: how much is blank in each option, what to measure first, and every blank key."""
        table = self.tables["missing"]
        if table.empty:
            return [Paragraph("Nothing that is asked for was left blank.")]
        first = dict(zip(table["option"], table["measure_first"], strict=True))
        rows = tuple(
            (f"{o} {self.names[o]}" if o in self.names else "all options", str(n), first[o])
            for o, n in self.blank.items()
        )
        heads = (Heads("Option", width="middling"), Heads("Blank", numeric=True), Heads("Measure first", width="wide"))
        every = Table("missing", "Every blank key", (Heads("Option"), Heads("Key", width="wide")),
                      tuple((str(o), str(m)) for o, m in zip(table["option"], table["missing"], strict=True)))  # fmt: skip
        return [
            Table("missing", "What is not entered, and what to measure first", heads, rows),
            Folded("Every blank key", every),
        ]

    def terms(self) -> list[Block]:
        """What every option shares, by value and hash."""
        return [self.shown("same_terms", "What is the same for all options, and the hash of each file")]


def _reach(row: Any) -> Text:
    if not is_missing(row["share"]):
        return f"{written(float(row['share']), 'percent')} reached"
    return {"yes": "for them; share not entered", "no": "not for them", AS_TODAY: AS_TODAY}.get(
        str(row["for_them"]), NOT_ENTERED
    )


def _width(values: pd.Series[Any]) -> Any:
    longest = max((len(str(v)) for v in values if not is_missing(v)), default=0)
    return "widest" if longest > 110 else "wide" if longest > 48 else "middling" if longest > 24 else "short"
