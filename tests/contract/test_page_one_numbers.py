"""One run, four places: the numbers of page one are those of the tables, of the results JSON and of the terminal."""

from __future__ import annotations

import html
import json
import re
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal

import pandas as pd
import pytest

from aaot_eval.cli import run
from aaot_eval.synthetic import simulate_study

#: A number as it is read: with its pounds, sign, thousands, decimals and per cent.
NUMBER = re.compile(r"£?(?<![\w.,])[-−]?£?\d[\d,]*(?:\.\d+)?(?: %)?")
SMALL = {"sites": 8, "treated": 3, "months": 36, "launch_after": 18, "size": 0.2}


@dataclass(frozen=True)
class Places:
    """What one run says in each place: page one as question or fact by text, tables by name, JSON, and the terminal's text."""

    answers: dict[str, str]
    facts: dict[str, str]
    refs: tuple[tuple[str, str], ...]
    figure: str
    tables: dict[str, pd.DataFrame]
    answered: dict[str, str]
    terminal: str


def flat(text: str) -> str:
    return re.sub(r"\s+", " ", text.replace("\u00a0", " ").replace("\u2060", "")).strip()


def plain(markup: str) -> str:
    without = re.sub(r' ?<span class="invented">.*?</span>', "", markup.replace("\u00a0<span", " <span"))
    return flat(html.unescape(re.sub(r"<[^>]+>", "", without)))


def numbers(text: str) -> list[str]:
    return [found.rstrip(",") for found in NUMBER.findall(text)]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Places:
    """A small study, run once through the command, and read from its files as somebody outside would."""
    study = tmp_path_factory.mktemp("four") / "study"
    simulate_study(study, scenario="harm", seed=1, **SMALL)
    with pytest.MonkeyPatch.context() as patch:
        said: list[str] = []
        patch.setattr("sys.stderr", type("Said", (), {"write": lambda _, t: said.append(t), "flush": lambda _: None,
                                                      "isatty": lambda _: False, "encoding": "utf-8"})())  # fmt: skip
        assert run(["analyze", str(study / "study.toml"), "--no-cache"]) == 0
    (status,) = study.glob("runs/*/*/status.json")
    release = status.parent / "release"
    page = (release / "report.html").read_text("utf-8")
    first = page[page.index('<section id="answer"') : page.index("</section>", page.index('<section id="answer"'))]
    pairs = [(plain(q), a) for q, a in re.findall(r"<dt>(.*?)</dt>\s*<dd>(.*?)</dd>", first, re.S)]
    headline = json.loads(status.read_text("utf-8"))["headline"]
    questions = {row["question"] for row in headline}
    return Places(
        answers={q: plain(a) for q, a in pairs if q in questions},
        facts={q: plain(a) for q, a in pairs if q not in questions},
        refs=tuple(
            (address, plain(text)) for address, text in re.findall(r'data-ref="([^"]+)">(.*?)</span>(?!\w)', first, re.S)
            if not address.startswith("headline/")
        ),
        figure=plain(re.findall(r'<span class="finding">(.*?)</figcaption>', first, re.S)[0]),
        tables={p.stem: pd.read_csv(p, encoding="utf-8-sig", dtype=str, keep_default_na=False)
                for p in (release / "tables").glob("*.csv")},
        answered={row["question"]: row["sentence"] for row in headline},
        terminal=flat("".join(said)),
    )  # fmt: skip


def shift(ratio: str) -> str:
    """A ratio below 2 as the size of a change, halves away from nothing, by the test's own arithmetic."""
    hundredths = (Decimal(ratio) * 100).quantize(Decimal(1), ROUND_HALF_UP)
    return f"{abs(hundredths - 100)} %"


def pounds(value: str) -> str:
    return f"£{abs(float(value)):,.0f}"


def allowed(said: Places) -> dict[str, set[str]]:
    """The numbers that each answer may hold, made from the tables alone."""
    estimates, saving, checks = (said.tables[name] for name in ("estimates", "saving", "checks"))
    first = estimates[estimates["primary"] == "true"].iloc[0]
    best = saving[saving["headline"] == "true"].iloc[0]
    verdicts = checks[checks["analysis"] == first["analysis"]]["verdict"].value_counts()
    judged = verdicts.drop("not_evaluable", errors="ignore").sum()
    level = f"{100 * float(first['conf_level']):.0f} %"
    ends = {shift(first["conf_low"]), shift(first["conf_high"]), level}
    service = said.tables["service_check"].set_index("measure").loc[["Bottom-up cost", "Occupancy"]]
    planned, seen = (service.at["Bottom-up cost", column] for column in ("stated", "seen"))
    apart = f"£{float(f'{float(seen) - float(planned):.2g}'):,.0f}"
    money = {pounds(best[c]) for c in ("gross", "programme_cost", "saving", "saving_low", "saving_high")}
    occupancy = f"{100 * float(service.at['Occupancy', 'stated']):.0f} %"
    year = set(numbers("2024/25"))
    questions = list(said.answered)
    return {
        questions[0]: {shift(first["estimate"]), *ends},
        questions[1]: {first["n_treated"], first["n_units"], f"{float(first['p_least']):.4f}", f"{float(first['p_value']):.3f}",
                       *ends, *map(str, verdicts), str(judged)},
        questions[2]: {*money, pounds(seen), apart, occupancy, level, *year},
    }  # fmt: skip


def differences(said: Places) -> list[str]:
    """Where two places do not agree; empty when all four say the same."""
    found = []
    table = said.tables["headline"].set_index("question")["sentence"].to_dict()
    for question, shown in said.answers.items():
        for place, text in (("table", table[question]), ("JSON", said.answered[question])):
            if flat(text) != shown:
                found.append(f"{question} differs from the {place}")
        if flat(f"{question} {shown}") not in said.terminal:
            found.append(f"{question} differs from the terminal")
    if set(said.answers) != set(said.answered):
        found.append("the page and the JSON answer other questions")
    for question, known in allowed(said).items():
        found += [f"{n} in {question} stands in no table" for n in numbers(said.answers[question]) if n not in known]
    for address, shown in said.refs:
        name, row, column = address.split("/")
        value = said.tables[name].at[int(row), column]
        if not reads_as(shown, value):
            found.append(f"{address} reads {shown}, the table {value}")
    first = said.tables["estimates"].query("primary == 'true'").iloc[0]
    ratios = [
        str(Decimal(first[c]).quantize(Decimal("0.01"), ROUND_HALF_UP)) for c in ("estimate", "conf_low", "conf_high")
    ]
    if numbers(said.figure.split("ratio of observed to expected ")[1])[:3] != ratios:
        found.append("the figure's title differs from the table")
    return found


def reads_as(shown: str, value: str) -> bool:
    """Whether a number of the page is that of the table, rounded to the figures in which it is shown."""
    if value == shown:
        return True
    (token,) = numbers(shown)
    size = re.sub(r"[£,% −-]", "", token)
    decimals = len(size.partition(".")[2])
    plain_value = float(value)
    candidates = [plain_value]
    if "%" in token:
        candidates = [100 * plain_value, 100 * (plain_value - 1)]
    # Events averted are said as fewer or more; the table has more as a negative number.
    signed = (-1 if re.match(r"£?[-−]", token) or shown.endswith(" more") else 1) * float(size)
    return any(
        abs(signed - c) <= 0.5000001 * 10**-decimals or ("%" in token and abs(signed - abs(c)) <= 0.5000001)
        for c in candidates
    )


def test_more_events_are_a_negative_number_averted_and_fewer_are_not() -> None:
    assert reads_as("318 more", "-318")
    assert reads_as("318 fewer", "318")
    assert not reads_as("318 more", "318")
    assert not reads_as("318 fewer", "-318")


def test_page_one_the_tables_the_json_and_the_terminal_say_the_same(places: Places) -> None:
    assert len(places.answers) == 5
    assert len(places.refs) > 5, "the box of page one has numbers of the record"
    assert sum(len(numbers(text)) for text in places.answers.values()) > 15
    assert differences(places) == []


def test_one_changed_number_is_found_in_each_place(places: Places) -> None:
    """The comparison can fail: every number of page one is changed by itself, and so is each other place."""
    assert differences(places) == []
    for question, text in places.answers.items():
        for found in NUMBER.finditer(text):
            digit = next(k for k in range(found.end() - 1, found.start() - 1, -1) if text[k].isdigit())
            other = f"{text[:digit]}{(int(text[digit]) + 1) % 10}{text[digit + 1 :]}"
            assert differences(replace(places, answers={**places.answers, question: other})), other
    for k, (address, text) in enumerate(places.refs):
        digit = max(j for j, c in enumerate(text) if c.isdigit())
        other = f"{text[:digit]}{(int(text[digit]) + 5) % 10}{text[digit + 1 :]}"
        assert differences(replace(places, refs=(*places.refs[:k], (address, other), *places.refs[k + 1 :]))), other
    question = next(iter(places.answered))
    assert differences(replace(places, answered={**places.answered, question: "0 % lower."}))
    assert differences(replace(places, terminal=places.terminal.replace(" p = ", " p = 0.9 ")))
    for name, column in (
        ("estimates", "estimate"),
        ("estimates", "conf_low"),
        ("estimates", "p_value"),
        ("saving", "saving"),
    ):
        frame = places.tables[name].copy()
        frame[column] = [str(float(v) + 1) if v else v for v in frame[column]]
        assert differences(replace(places, tables={**places.tables, name: frame})), (name, column)


def test_the_facts_of_page_one_count_what_the_tables_count(places: Places) -> None:
    checks = places.tables["checks"]
    primary = places.tables["estimates"].query("primary == 'true'")["analysis"].iloc[0]
    own = checks[checks["analysis"] == primary]["verdict"]
    assert places.facts["Checks"].startswith(f"{(own == 'pass').sum()} passed")
    sites = places.tables["estimates"].query("primary == 'true'")["n_treated"].iloc[0]
    assert places.facts["Service starts"].endswith(f"at {sites} sites")
