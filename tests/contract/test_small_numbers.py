"""Nothing that leaves counts few people: every file of `release/` of a small study with everything asked for is read.

What disclosure control does to a table is tested in tests/spec/test_disclosure.py; here a whole run is searched for what went round
it: counts in sentences, notes, figures and JSON, shares from which a small count follows, rows about a small site.
"""

from __future__ import annotations

import html
import io
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aaot_eval.cli import run as aaot_eval
from aaot_eval.costs.rates import DAYS_IN_YEAR
from aaot_eval.disclosure import Rules, control, csv_text
from aaot_eval.estimators._cohorts import how_many, roughly, share_told
from aaot_eval.schema import disclosure_profiles, schema_names, table_schema
from tests.contract import attack

HIDDEN_TO = 7
"""The profile of the run is `hes`: 1 to 7 people are hidden, other counts go to the nearest 5."""
ROUND_TO = 5
#: A column without control whose description says that it counts or numbers these holds no people.
PUBLIC = re.compile(
    r"\b(?:sites?|units?|periods?|months?|years?|days?|order|whole-time|most credible|widest|stated)\b", re.IGNORECASE
)
WHO = (
    r"(?:people|persons?|patients?|referrals?|referred|admissions?|deaths?|died|stays?|episodes?|records?|attendances?|spells?|"
    r"answers?|cells?|lines?)"
)
NUMBER = r"(?:[1-7]|one|two|three|four|five|six|seven)"
FEW = re.compile(
    rf"(?<![\d.,–-])\b{NUMBER}(?: of (?:the )?[\d,]+)?(?: (?!of|in|or|and|the|for)\w+)? {WHO}\b", re.IGNORECASE
)
#: A share in per cent of people: with the number of people beside it, a count.
SHARE = re.compile(
    r"(?<!under )(?<!over )(?<!\d)(?!0 ?%|100 ?%)\d+ ?% "
    r"(?:of (?:the )?(?:referred|referrals|people|patients|caseload|cohort)|died|were never)",
    re.IGNORECASE,
)
#: Columns of the balance table and labels of its figure: "admissions, months 2 to 3 before".
WINDOW = re.compile(r"months? \d+(?: to \d+)? before")
#: Words of rules, definitions and charts that count nobody.
INNOCENT = re.compile(
    r"(?:four|4) admissions in|(?:4|four) or more admissions|4 admissions|leave one person out|leaving out one person|without one person|"
    r"one person (?:on|for|is|a|may|at)|two people for half a year|one line|three lines|one row|at least one|"
    r"two deaths a|one admission (?:costs|a|is)|for one person|rule of \d admissions",
    re.IGNORECASE,
)
CONFIG = """config_version = 1
name = "small"
[data]
admissions  = "extracts/apc_*.csv"
attendances = "extracts/ed_*.csv"
caseload    = "caseload.csv"
sites       = "sites.csv"
deaths      = "deaths.csv"
[study]
outcome    = "alcohol_specific_emergency"
entry_rule = "4 admissions in 12 months"
also = ["deaths"]
[costs]
unit_costs  = "unit_costs_invented.csv"
programme   = "programme_invented.csv"
price_year  = "2024/25"
perspective = "provider"
[costs.outcome]
kind = "qaly"
utilities = "utilities.csv"
missing = "impute"
[costs.budget]
variable_share = 0.3
activity_paid_share = 0.2
[output]
patient_reports = true
reason = "artificial data: nobody in these files exists"
"""


def utilities() -> str:
    """Fifteen people an arm of whom one an arm did not answer at the end."""
    lines = ["person,arm,day,utility,death_day,value_set,source"]
    for i in range(30):
        arm = "aaot" if i % 2 else "care_as_usual"
        for day in (0, 180, 365):
            if not (i in (3, 8) and day == 365):
                lines.append(f"U{i:02d},{arm},{day},{0.4 + 0.02 * (i % 9):.2f},,UK EQ-5D-3L,INVENTED")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on nine hospitals of an eighth of the usual size, one of whose teams has few people, with everything asked for."""
    from aaot_eval.synthetic import simulate_study

    folder = tmp_path_factory.mktemp("few") / "study"
    simulate_study(folder, scenario="effect", seed=3, sites=9, treated=3, size=0.12)
    caseload = pd.read_csv(folder / "caseload.csv", dtype=str)
    small = caseload["site"] == caseload["site"].iloc[0]
    few = caseload[~small | small.cumsum().le(HIDDEN_TO - 2)]
    few.to_csv(folder / "caseload.csv", index=False, lineterminator="\n")
    (folder / "utilities.csv").write_text(utilities(), encoding="utf-8", newline="\n")
    (folder / "small.toml").write_text(CONFIG, encoding="utf-8", newline="\n")
    assert aaot_eval(["analyze", str(folder / "small.toml"), "-q"]) == 0
    return next((folder / "runs" / "small").glob("20*"))


def tables_of(run: Path) -> dict[str, pd.DataFrame]:
    return {
        p.stem: pd.read_csv(p, dtype=str, keep_default_na=False)
        for p in sorted((run / "release" / "tables").glob("*.csv"))
    }


def test_the_run_holds_what_the_search_is_about(run: Path) -> None:
    """Costs, QALYs, groups of patients, subgroups and a site with few people: else the search would find nothing for want of anything."""
    tables = tables_of(run)
    asked = {
        "saving",
        "cost_items",
        "patient_groups",
        "subgroups",
        "qaly_assumptions",
        "deaths",
        "survival",
        "averted_activity",
        "checks",
    }
    assert asked <= set(tables)
    assert (tables["caseload"]["referred"] == "*").any(), "a team with few people"
    assert (tables["deaths"]["deaths"] == "*").any()


def test_no_count_of_a_table_is_small_or_exact(run: Path) -> None:
    for name, table in tables_of(run).items():
        for column in table.columns:
            kind = table_schema("release", name)[column].extra["control"]
            if kind in ("people", "events"):
                shown = pd.to_numeric(table[column], errors="coerce").dropna()
                assert ((shown == 0) | ((shown > HIDDEN_TO) & (shown % ROUND_TO == 0))).all(), f"{name}.{column}"
            assert kind not in ("persons", "kept"), f"{name}.{column} is kept to control others and never released"


def test_a_small_whole_number_without_control_is_of_something_that_the_schema_says_is_public(run: Path) -> None:
    for name, table in tables_of(run).items():
        for column in table.columns:
            spec = table_schema("release", name)[column]
            said = f"{column} {spec.title} {spec.description}"
            if spec.extra["control"] == "none" and spec.type in ("integer", "number") and not PUBLIC.search(said):
                values = pd.to_numeric(table[column], errors="coerce")
                assert not ((values >= 1) & (values <= HIDDEN_TO) & (values % 1 == 0)).any(), f"{name}.{column}"


def words_of(path: Path) -> str:
    text = path.read_text("utf-8")
    if path.suffix in (".html", ".svg"):
        text = re.sub(r"<style.*?</style>", " ", text, flags=re.DOTALL)
        text = re.sub(r"</(?:text|td|th|li|p|title|desc|h\d|caption|summary)>", " | ", text)  # an axis is no sentence
        text = html.unescape(re.sub(r"<[^>]+>", " ", text))
    return WINDOW.sub(" ", re.sub(r"\s+", " ", text))


def found_in(text: str) -> list[str]:
    hits = []
    for pattern in (FEW, SHARE):
        for hit in pattern.finditer(text):
            around = text[max(0, hit.start() - 12) : hit.end() + 24]
            if not INNOCENT.search(around):
                hits.append(text[max(0, hit.start() - 60) : hit.end() + 60])
    return hits


@pytest.mark.parametrize(
    ("text", "caught"),
    [
        ("3 referrals had nobody to be compared with", True),
        ("Of the treated cohort 9 % died within 12 months", True),
        ("Of the referred 4 % were never reached", True),
        ("met by only 89 % of the referred", True),
        ("two deaths were left out", True),
        ("6 of 40 people", True),
        ("everybody who met the rule (4 or more admissions in 12 months)", False),
        ("the comparison under a rule of 3 admissions", False),
        ("fewer than 30 people or 20 admissions", False),
        ("a fall of 17 % was to be expected", False),
    ],
)
def test_the_search_finds_what_it_is_for(text: str, caught: bool) -> None:
    assert bool(found_in(text)) == caught


def test_notes_write_counts_and_shares_of_people_coarsely() -> None:
    assert [how_many(n) for n in (1, 9, 10, 14, 26)] == [
        "fewer than 10",
        "fewer than 10",
        "about 10",
        "about 10",
        "about 30",
    ]
    assert [share_told(n, 40) for n in (0, 3, 10, 37, 40)] == [
        "0 %", "fewer than 10 people", "25 %", "all but fewer than 10 people", "100 %"
    ]  # fmt: skip
    assert [roughly(s) for s in (0.2, 0.6, 0.89, 0.95, 1.0)] == [
        "under 25 %",
        "under 75 %",
        "under 90 %",
        "90 % or more",
        "100 %",
    ]


def test_no_sentence_note_or_figure_counts_few_people(run: Path) -> None:
    """CSV, JSON, Markdown, HTML and SVG, markup taken off."""
    read, hits = 0, dict[str, str]()
    for path in sorted((run / "release").rglob("*")):
        if path.suffix in (".csv", ".json", ".md", ".html", ".svg", ".txt"):
            hits |= dict.fromkeys(found_in(words_of(path)), path.name)
            read += 1
    assert not hits
    assert read > 60


def test_every_file_of_the_release_is_one_that_was_read(run: Path) -> None:
    """A file of another kind would leave unseen. Parquet files hold what their CSV holds; pictures hold no text and no metadata."""
    kinds = {p.suffix for p in (run / "release").rglob("*") if p.is_file()}
    assert kinds <= {".csv", ".parquet", ".json", ".md", ".html", ".svg", ".png", ".txt"}
    tables = tables_of(run)
    for path in (run / "release").rglob("*.parquet"):
        held = pd.read_parquet(path).astype(str)
        assert list(held.columns) == list(tables[path.stem].columns)
        for column in held.columns:
            kind = table_schema("release", path.stem)[column].extra["control"]
            shown = pd.to_numeric(held[column], errors="coerce").dropna()
            assert kind not in ("people", "events") or ((shown == 0) | (shown > HIDDEN_TO)).all(), (
                f"{path.stem}.{column}"
            )
    for path in (run / "release").rglob("*.png"):
        assert not re.search(rb"(?:tEXt|iTXt|zTXt)(?!Software)", path.read_bytes()), path.name
    for path in (run / "release").rglob("*.svg"):
        inside = re.search(r"<metadata>.*?</metadata>", path.read_text("utf-8"), re.DOTALL)
        assert inside is None or not re.search(r"<dc:(?:creator|date|source)>", inside[0]), path.name


def test_the_facts_of_the_release_count_nobody(run: Path) -> None:
    """Whole numbers from 1 to 7 in JSON are numbers of a rule set, of hidden cells, or entered for the budget."""
    about = json.loads((run / "release" / "about.json").read_text("utf-8"))
    for place, value in numbers_of(about):
        if 1 <= value <= HIDDEN_TO and value == int(value):
            assert re.search(r"disclosure|hidden|n_units|n_treated|seed|version|columns|rung|meta\.budget", place), (
                place
            )


def numbers_of(node: object, place: str = "") -> list[tuple[str, float]]:
    if isinstance(node, dict):
        return [pair for key, value in node.items() for pair in numbers_of(value, f"{place}.{key}")]
    if isinstance(node, list):
        return [pair for value in node for pair in numbers_of(value, place)]
    return [(place, float(node))] if isinstance(node, int | float) and not isinstance(node, bool) else []


def test_a_row_about_a_small_site_is_controlled_on_the_people_of_the_site(run: Path) -> None:
    """The caseload of everybody is large; what a site with few people averted per patient-year gives away its patient-years."""
    tables = tables_of(run)
    caseload = tables["caseload"].set_index("unit")["referred"]
    small = [unit for unit, referred in caseload.items() if referred == "*"]
    rows = tables["averted_activity"][tables["averted_activity"]["unit"].isin(small)]
    assert len(rows)
    assert (rows[["people", "patient_years", "per_patient_year"]] == "*").to_numpy().all()


def test_no_hidden_line_of_cost_follows_from_the_total_or_from_the_swing_of_its_price(run: Path) -> None:
    """What rounding and hiding do to single lines is tested with the rules; here both tables of a whole run are held together."""
    tables = tables_of(run)
    lines = tables["cost_items"]
    hidden = set(lines.loc[lines["cost"] == "*", "item"])
    assert len(hidden) != 1, "the total less the others"
    priced = set(tables["cost_ranges"]["item"]) - {""} if "cost_ranges" in tables else set()
    assert priced <= set(lines["item"]) - hidden


def test_no_hidden_part_is_the_total_less_the_others() -> None:
    """In every profile, for every table with a total: with one part hidden, the whole numbers it can be are as many as before.

    A total and its parts are each rounded on their own, or a second part is hidden, or the total is made again from what is shown.
    """
    from itertools import product

    with_total = [n for n in schema_names("release") if table_schema("release", n).extra.get("total")]
    assert with_total
    for profile, name in product(sorted(set(disclosure_profiles()) - {"none"}), with_total):
        schema, rules = table_schema("release", name), Rules.of(profile)
        counts = [c.name for c in schema.columns if c.extra["control"] == "people"]
        rule = schema.extra["total"]
        possible = set()
        for hidden in range(1, rules.high + 1):
            parts = [40, 55, hidden]
            frame = pd.DataFrame({c.name: [""] * 4 if c.type == "string" else [0] * 4 for c in schema.columns})
            frame[rule["column"]] = [rule["value"], "a", "b", "c"]
            for column in counts:
                frame[column] = [sum(parts), *parts]
            for column in schema.columns:
                if column.extra["control"] == "persons":
                    frame[column.name] = [sum(parts), *parts]
            shown = control({name: frame}, {}, profile=profile).tables[name]
            if counts:
                assert str(shown[counts[0]].iloc[3]) == rules.symbol
                possible.add(tuple(map(str, shown[counts[0]])))
        # Few pictures for many possible counts: no picture belongs to one count alone.
        assert len(possible) <= max(1, rules.high // 3), (profile, name)


# --- what can be worked out of what is shown --------------------------------------------------------------------------

CONTROLLED = sorted(set(disclosure_profiles()) - {"none"})


@pytest.fixture(scope="module")
def exact(run: Path) -> dict[str, pd.DataFrame]:
    return {p.stem: pd.read_parquet(p) for p in sorted((run / "restricted" / "tables").glob("*.parquet"))}


def as_read(exact: dict[str, pd.DataFrame], profile: str) -> dict[str, pd.DataFrame]:
    """The tables of the run as a reader has them under a profile."""
    tables = control(exact, {}, profile=profile).tables
    return {n: pd.read_csv(io.StringIO(csv_text(t)), dtype=str, keep_default_na=False) for n, t in tables.items()}


@pytest.mark.parametrize("profile", CONTROLLED)
def test_no_exact_count_can_be_worked_out_of_the_released_tables(exact: dict[str, pd.DataFrame], profile: str) -> None:
    released = as_read(exact, profile)
    assert not attack.counts_from_means(exact, profile)
    assert not attack.fractions(released)
    assert not attack.money_from_money(exact, released)
    assert not attack.hidden_parts(released, profile)


def test_the_attacks_find_what_is_not_controlled(exact: dict[str, pd.DataFrame]) -> None:
    released = as_read(exact, "none")
    assert len(attack.counts_from_means(exact, "none")) > 10
    assert any("checks.statistic" in found for found in attack.fractions(released))
    assert {found.split(":")[0] for found in attack.money_from_money(exact, released)} >= {
        "cost_waterfall", "break_even", "solve_for"
    }  # fmt: skip
    parts = pd.DataFrame({"unit": ["all", "a", "b", "c"], "referred": ["25", "15", "15", "*"]})
    assert attack.hidden_parts({"caseload": parts}, "hes") == ["caseload.referred: 1"]


def test_the_steps_of_the_waterfall_add_up_as_shown_and_agree_with_the_other_tables(run: Path) -> None:
    tables = tables_of(run)
    level, averted, service, total = (float(v) for v in tables["cost_waterfall"]["amount"])
    saving = tables["saving"].set_index("headline").loc["true"]
    care = tables["cost_items"].set_index("kind").loc["total"]
    assert level + averted + service == pytest.approx(total, abs=0.005)
    assert level + averted == pytest.approx(float(care["cost"]), abs=0.005)
    assert -averted == pytest.approx(float(saving["gross"]), abs=0.005)
    ends = tables["cost_waterfall"].iloc[3]
    for end, of_saving in (("amount", "saving"), ("low", "saving_high"), ("high", "saving_low")):
        assert level - float(ends[end]) == pytest.approx(float(saving[of_saving]), abs=0.005)


def small_tables(n: int, seed: int) -> dict[str, pd.DataFrame]:
    """Exact tables of n people, of whom some did little: means of counts, quantities over patient-years."""
    drawn = np.random.default_rng(seed)
    each = np.array([0.1, 0.2, 0.3, 0.5, 0.8, 1.2, 1.8, 2.7, 4.4, 6.0])
    means, years = drawn.poisson(each * n) / n, n * drawn.uniform(0.6, 1.6)
    units = np.maximum(drawn.poisson(np.array([0.5, 0.7, 1.1, 5.0]) * years), 8)
    characteristic = [f"c{i}" for i in range(len(each))]
    balance = {"order": range(1, 11), "characteristic": characteristic, "people": n, "people_compared": 5 * n,
               "mean_referred": means, "mean_unweighted": means * 1.01234567, "mean_weighted": means,
               "difference_before": 0.1234567, "difference_after": 0.0}  # fmt: skip
    baseline = {"characteristic": characteristic, "arm": "service", "people": n, "least": n, "with_it": pd.NA,
                "share": np.nan, "mean": means, "sd": 1.1234567, "difference": 0.1234567}  # fmt: skip
    items = {"order": range(1, 5), "item": list("abcd"), "kind": "unplanned", "people": n, "patient_years": years,
             "quantity": units / years, "unit": "stay", "cost": units / years * [4100, 3150, 640, 245]}  # fmt: skip
    regression = {"order": [1, 2], "what": ["before", "observed"], "label": "", "people": n, "rate": means[[7, 4]],
                  "rate_low": means[[7, 4]] * 0.81234567, "rate_high": means[[7, 4]] * 1.31234567}  # fmt: skip
    return {
        "balance": pd.DataFrame(balance).assign(analysis="a"),
        "baseline": pd.DataFrame(baseline).assign(analysis="a"),
        "cost_items": pd.DataFrame(items),
        "regression_to_mean": pd.DataFrame(regression),
    }


@pytest.mark.parametrize("n", [8, 9, 12, 16, 23, 38, 60])
def test_no_exact_count_can_be_worked_out_of_means_of_few_people(n: int) -> None:
    tables = small_tables(n, seed=n)
    assert not attack.counts_from_means(tables, "hes")
    assert attack.counts_from_means(tables, "none")


@pytest.mark.parametrize("n", [24, 40, 58, 150])
def test_hardly_a_number_of_deaths_follows_from_the_ends_of_its_interval(n: int) -> None:
    """Every number of people and deaths near by with the limits that it would have, were nobody lost: does what was released fit one alone?"""
    worlds = [(people, count) for people in range(n - 4, n + 5) for count in range(4, people // 2)]
    people, count = np.array(worlds, dtype=float).T
    dead = count / people
    reach = 1.96 * np.sqrt(dead / (people * (1 - dead))) / -np.log1p(-dead)
    rows = {"analysis": "a", "arm": "treated", "era": "after", "months": 12, "people": people.astype(int), "died": count.astype(int),
            "deaths": count, "dead": dead, "dead_low": 1 - (1 - dead) ** np.exp(-reach), "dead_high": 1 - (1 - dead) ** np.exp(reach),
            "admissions": 100.0, "mean": 100 / people, "mean_low": 1.0, "mean_high": 1.0}  # fmt: skip
    alone = {}
    for profile in ("hes", "none"):
        shown = (
            control({"survival": pd.DataFrame(rows)}, {}, profile=profile)
            .tables["survival"]
            .astype(str)
            .agg("|".join, axis=1)
        )
        worlds_of = pd.Series(count).groupby(shown).nunique()
        alone[profile] = np.mean(worlds_of[shown[(people == n) & (count > HIDDEN_TO)]] == 1)
    assert alone["none"] == 1
    assert alone["hes"] <= 0.1


# --- the rows of people, which stay -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rows(run: Path) -> pd.DataFrame:
    return pd.read_csv(run / "restricted" / "patient_reports" / "patients.csv", dtype={"person_key": str})


def test_the_file_has_the_columns_that_are_documented(run: Path, rows: pd.DataFrame) -> None:
    schema = table_schema("restricted", "patients")
    assert list(rows.columns) == list(schema.names)
    assert schema["person_key"].sensitive
    packed = pd.read_parquet(run / "restricted" / "patient_reports" / "patients.parquet")
    assert list(packed["person_key"]) == list(rows["person_key"])


def test_each_row_joins_to_one_person_of_the_caseload_and_says_the_same(run: Path, rows: pd.DataFrame) -> None:
    caseload = pd.read_csv(run.parents[2] / "caseload.csv", dtype=str).sort_values("referred").drop_duplicates("person")
    died = pd.read_csv(run.parents[2] / "deaths.csv", dtype=str).set_index("person")["death_date"]
    assert sorted(rows["person_key"]) == sorted(caseload["person"])
    joined = rows.merge(caseload, left_on="person_key", right_on="person", validate="one_to_one")
    assert (joined["referral_month"] == joined["referred"].str[:7]).all()
    assert joined["referral_month"].nunique() > 5, "the months tell people apart"

    last = pd.Period(joined["referral_month"].max(), "M")
    months = {r: pd.period_range(r, last, freq="M") for r in joined["referral_month"].unique()}
    alive = joined[joined["status"] != "died"]
    whole = {r: sum(m.days_in_month for m in months[r]) for r in months}
    beyond = alive["exposure_days"] - alive["referral_month"].map(whole)
    assert beyond.nunique() == 1, "everybody alive is counted from the own month of referral to one last month"
    assert (joined["person_years"] - joined["exposure_days"] / DAYS_IN_YEAR).abs().max() < 1e-6

    dead = joined[joined["status"] == "died"]
    assert set(dead["person_key"]) <= set(died.index)
    until = [
        sum(m.days_in_month for m in pd.period_range(r.referral_month, died[r.person_key][:7], freq="M"))
        for r in dead.itertuples()
    ]
    assert list(dead["exposure_days"]) == until


def test_the_observed_cost_is_that_of_the_joined_person(run: Path, rows: pd.DataFrame) -> None:
    """Whoever has no record after the month before referral costs nothing, and hardly anybody else does."""
    files = [pd.read_csv(p, dtype=str) for p in sorted((run.parents[2] / "extracts").glob("*.csv"))]
    seen = []
    for table in files:
        key = next(c for c in ("TOKEN_PERSON_ID", "PSEUDO_HESID", "ENCRYPTED_HESID") if c in table)
        date = next(c for c in ("ADMIDATE", "ARRIVALDATE", "ARRIVAL_DATE", "ARRIVALTIME") if c in table)
        seen.append(table[[key, date]].set_axis(["person_key", "date"], axis=1))
    records = pd.concat(seen).dropna().merge(rows[["person_key", "referral_month", "observed_cost"]], on="person_key")
    after = set(records.loc[records["date"].str[:7] >= records["referral_month"], "person_key"])
    nothing = rows[~rows["person_key"].isin(after)]
    assert (nothing["observed_cost"] == 0).all()
    assert (rows.loc[rows["person_key"].isin(after), "observed_cost"] > 0).mean() > 0.9


def test_no_key_stands_anywhere_but_in_the_rows_of_people(run: Path, rows: pd.DataFrame) -> None:
    keys = set(rows["person_key"])
    for path in sorted(p for p in run.rglob("*") if p.is_file()):
        place = path.relative_to(run)
        text = pd.read_parquet(path).to_csv() if path.suffix == ".parquet" else path.read_text("utf-8")
        found = any(key in text for key in keys)
        assert not found or place.parts[:2] == ("restricted", "patient_reports"), place
        assert place.parts[0] != "release" or "person_key" not in text, place
    page = (run / "restricted" / "patient_reports" / "patients.html").read_text("utf-8")
    assert not any(key in page for key in keys), "the page shows the number of the run; the key is in the tables alone"


# --- what is packed to leave ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def packed(run: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Every file of a release of the run as text, its tables in Parquet too."""
    folder = tmp_path_factory.mktemp("packed") / "out"
    assert aaot_eval(["release", str(run), "--to", str(folder), "--crate", "-q"]) == 0
    return {
        p.relative_to(folder).as_posix(): pd.read_parquet(p).to_csv(index=False)
        if p.suffix == ".parquet"
        else p.read_bytes().decode("utf-8", errors="replace")
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def test_no_key_of_a_person_is_packed(packed: dict[str, str], run: Path, rows: pd.DataFrame) -> None:
    caseload = pd.read_csv(run.parents[2] / "caseload.csv", dtype=str)
    keys = set(rows["person_key"]) | set(caseload["person"])
    assert len(keys) > 20
    for name, text in packed.items():
        assert not any(key in text for key in keys), name
        assert "person_key" not in text or name == "config.toml", name


def test_no_exact_count_is_packed(packed: dict[str, str], run: Path) -> None:
    """Every count of people and of what they did that the profile would round or hide, from the exact tables and the record of inputs."""
    exact = {
        f["rows"] for f in json.loads((run / "manifest.json").read_text("utf-8"))["inputs"] if f["table"] != "sites"
    }
    exact |= {f["bytes"] for f in json.loads((run / "manifest.json").read_text("utf-8"))["inputs"]}
    for path in sorted((run / "restricted" / "tables").glob("*.parquet")):
        table = pd.read_parquet(path)
        for column in table.columns:
            if table_schema("release", path.stem)[column].extra["control"] in ("people", "persons", "events"):
                exact |= set(pd.to_numeric(table[column], errors="coerce").dropna())
    # Smaller ones are also numbers of months, prices and points of a drawing, or years: what becomes of them is tested by column.
    whole = {int(n) for n in exact - {None} if n >= 1000 and n % 1 == 0 and n % ROUND_TO}
    telling = {str(n) for n in whole - set(range(2015, 2031))}
    assert len(telling) > 50
    for name, text in packed.items():
        numbers = set(
            re.findall(r"(?<![\w.,-])\d{4,}(?![\w.,-])", text.replace(",", " ") if name.endswith(".csv") else text)
        )
        assert not numbers & telling, (name, numbers & telling)


def test_every_hidden_count_is_hidden_in_what_is_packed(packed: dict[str, str], run: Path) -> None:
    looked = 0
    for path in sorted((run / "restricted" / "tables").glob("*.parquet")):
        table = pd.read_parquet(path)
        shown = {
            kind: pd.read_csv(
                io.StringIO(packed[f"release/tables/{path.stem}.{kind}"]), dtype=str, keep_default_na=False
            )
            for kind in ("csv", "parquet")
        }
        if len(shown["csv"]) != len(table):
            continue  # rows about something hidden do not leave at all
        for column in shown["csv"]:
            if table_schema("release", path.stem)[column].extra["control"] in ("people", "events"):
                few = pd.to_numeric(table[column], errors="coerce").between(1, HIDDEN_TO).fillna(False)
                few = few.to_numpy(dtype=bool)
                looked += few.sum()
                for kind, cells in shown.items():
                    assert (cells[column].to_numpy()[few] == "*").all(), (path.stem, column, kind)
    assert looked > 100
