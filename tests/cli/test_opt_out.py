"""Nothing that a run writes holds a person's number, or anything of a person who opted out; and both are counted."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from aaot_eval.cli import run
from aaot_eval.config import load_config
from aaot_eval.engine.duckdb_reading import keyed_hash
from aaot_eval.errors import InputError
from aaot_eval.pipeline import Prepared, prepare

SECRET = "a long secret that nobody wrote down"
CONFIG = '\n[data.person_key]\ncolumn = "NHS Number"\nsecret_file = "aaot.key"\n'
#: How many of the caseload, and of the others, opt out.
LISTED, OTHERS = 1, 40


def nhs_number(token: str) -> str:
    """A made-up ten-digit number with a check digit that fits, always the same for one person."""
    for attempt in range(100):
        nine = str(int(hashlib.sha256(f"{token} {attempt}".encode()).hexdigest(), 16))[:9]
        check = 11 - sum(int(d) * w for d, w in zip(nine, range(10, 1, -1), strict=True)) % 11
        if check != 10:
            return f"{nine}{check % 11}"
    raise AssertionError("no check digit fits")


def with_nhs_numbers(path: Path) -> dict[str, str]:
    """A table rewritten with NHS numbers for person keys, and which was which."""
    with path.open(encoding="utf-8", newline="") as text:
        header, *rows = csv.reader(text)
    names = ("person", "TOKEN_PERSON_ID", "PERSON_ID", "PSEUDO_HESID")
    at = next((i for i, name in enumerate(header) if name in names), None)
    if at is None:
        return {}
    known = {row[at]: nhs_number(row[at]) for row in rows if row[at]}
    header[at] = "NHS Number"
    with path.open("w", encoding="utf-8", newline="") as text:
        csv.writer(text, lineterminator="\n").writerows(
            [header, *([*row[:at], known.get(row[at], row[at]), *row[at + 1 :]] for row in rows)]
        )
    return known


@pytest.fixture(scope="module")
def study(made_tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study whose files hold NHS numbers, with a secret and a list of people who opted out."""
    folder = Path(shutil.copytree(made_tiny, tmp_path_factory.mktemp("numbers") / "study"))
    numbers: dict[str, str] = {}
    for path in (*folder.glob("*.csv"), *folder.glob("extracts/*.csv")):
        numbers |= with_nhs_numbers(path)
    caseload = pd.read_csv(folder / "caseload.csv", dtype=str)["NHS Number"].tolist()
    others = sorted(set(numbers.values()) - set(caseload))[:: max(1, len(numbers) // OTHERS)]
    gone = [*caseload[:LISTED], *others]
    # As lists come: with spaces in the numbers, one of them twice, and one of nobody here.
    lines = ["NHS Number", *(f"{n[:3]} {n[3:6]} {n[6:]}" for n in gone), gone[0], nhs_number("nobody")]
    (folder / "opt_out.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "aaot.key").write_text(SECRET, encoding="utf-8")
    (folder / "gone.json").write_text(json.dumps({"gone": gone, "all": sorted(numbers.values())}), encoding="utf-8")
    config = folder / "study.toml"
    text = config.read_text("utf-8").replace("[study]", 'opt_out = "opt_out.csv"\n' + CONFIG + "\n[study]", 1)
    config.write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def finished(study: Path) -> Path:
    """The study after a whole run."""
    assert run(["analyze", str(study / "study.toml"), "--quiet"]) == 0
    return study


def every_text(folder: Path) -> str:
    """Every byte below a folder, and what packed tables hold when they are unpacked."""
    parts = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        parts.append(path.read_bytes().decode("latin-1"))
        if path.suffix == ".parquet":
            parts.append(pd.read_parquet(path).to_csv())
    return "\n".join(parts)


def test_no_byte_of_a_run_holds_a_number_or_anybody_who_opted_out(finished):
    people = json.loads((finished / "gone.json").read_text("utf-8"))
    written = every_text(finished / "runs")
    assert len(written) > 100_000
    keys = {n: keyed_hash(SECRET.encode(), n) for n in people["all"]}
    # The search finds what is there: people who stay are in the rows kept, under their keys.
    stay = [keys[n] for n in people["all"] if n not in people["gone"]]
    assert sum(key in written for key in stay) > 0.9 * len(stay)

    assert [n for n in people["all"] if n in written] == []
    assert [n for n in people["gone"] if keys[n] in written] == []
    assert SECRET not in written
    spaced = [f"{n[:3]} {n[3:6]} {n[6:]}" for n in people["gone"]]
    assert not any(text in written for text in spaced)


def test_rows_of_people_carry_the_keyed_hash_and_never_the_number(finished):
    people = json.loads((finished / "gone.json").read_text("utf-8"))
    keys = prepared(finished, output__patient_reports=True, output__reason="audit").keys
    assert keys is not None
    table = pd.read_csv(finished / "caseload.csv", dtype=str)
    stays = table[~table["NHS Number"].isin(people["gone"])].drop_duplicates("NHS Number")
    assert sorted(keys) == sorted(keyed_hash(SECRET.encode(), n) for n in stays["NHS Number"])
    assert prepared(finished, output__patient_reports=False).keys is None


def test_what_left_is_counted_in_the_flow_and_controlled(finished):
    people = json.loads((finished / "gone.json").read_text("utf-8"))
    folder = next((finished / "runs").glob("*/2*"))
    exact = pd.read_parquet(folder / "restricted" / "tables" / "flow.parquet")
    steps = exact[exact["table"] == "opt-out list"].set_index("step")
    assert list(steps.index) == ["admissions read", "attendances read", "caseload read", "deaths read"]
    assert steps.loc["caseload read", "lost_people"] == LISTED
    rows = exact[(exact["table"] == "episodes") & (exact["step"] == "rows read")].iloc[0]
    assert rows["kept"] == steps.loc["admissions read", "kept"]
    files = [pd.read_csv(p, dtype=str) for p in sorted((finished / "extracts").glob("apc_*.csv"))]
    numbers = pd.concat([f["NHS Number"] for f in files])
    assert steps.loc["admissions read", "lost"] == numbers.isin(people["gone"]).sum()
    assert steps.loc["admissions read", "lost_people"] == numbers[numbers.isin(people["gone"])].nunique()

    released = pd.read_csv(folder / "release" / "tables" / "flow.csv", dtype=str)
    released = released[released["table"] == "opt-out list"].set_index("step")
    assert released.loc["caseload read", "lost"] == "*"
    quality = pd.read_csv(folder / "release" / "tables" / "data_quality.csv", dtype=str)
    assert "D380" in set(quality["code"])


def prepared(study: Path, **changes: object) -> Prepared:
    return prepare(
        load_config(study / "study.toml").changed(**changes), work=study / "work", keep=study / "work" / "cache"
    )


def test_as_if_they_had_never_been_in_the_files(finished, tmp_path):
    """The panel is that of files from which their rows were taken by hand."""
    gone = set(json.loads((finished / "gone.json").read_text("utf-8"))["gone"])
    other = Path(shutil.copytree(finished, tmp_path / "study", ignore=shutil.ignore_patterns("runs", "work")))
    for path in (*other.glob("*.csv"), *other.glob("extracts/*.csv")):
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        if "NHS Number" in table and path.name != "opt_out.csv":
            table[~table["NHS Number"].isin(gone)].to_csv(path, index=False, lineterminator="\n")
    with_list, by_hand = prepared(finished), prepared(other)
    for name in ("cells", "people", "person_cells"):
        pd.testing.assert_frame_equal(getattr(with_list.panel, name), getattr(by_hand.panel, name))
    assert "D381" in {f.code for f in by_hand.findings}
    assert "D380" in {f.code for f in with_list.findings}


def test_a_new_name_on_the_list_leaves_what_was_kept_at_once(finished, tmp_path):
    study = Path(shutil.copytree(finished, tmp_path / "study", ignore=shutil.ignore_patterns("runs", "work")))
    prepared(study)
    people = json.loads((study / "gone.json").read_text("utf-8"))
    new = pd.read_csv(study / "caseload.csv", dtype=str)["NHS Number"].tolist()[LISTED]
    key = keyed_hash(SECRET.encode(), new)
    assert key in every_text(study / "work" / "cache")
    with (study / "opt_out.csv").open("a", encoding="utf-8") as text:
        text.write(f"{new}\n")
    with pytest.raises(InputError):  # even when the run that brings the new list is refused
        prepared(study, study__first_period="1990-01")
    assert key not in every_text(study / "work" / "cache")
    again = prepared(study)
    assert len(again.panel.people) > 0
    assert key not in every_text(study / "work" / "cache")
    assert people["gone"]


@pytest.mark.parametrize(
    ("text", "code"), [("NHS Number\n9434765919\n,\n", "C223"), ("NHS Number\n", "X203"), ("name\nx\n", "X208")]
)
def test_a_list_that_cannot_be_read_stops_the_run(study, tmp_path, text, code):
    copy = Path(shutil.copytree(study, tmp_path / "study", ignore=shutil.ignore_patterns("runs", "work")))
    (copy / "opt_out.csv").write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as refused:
        prepared(copy)
    assert code in {p.code for p in refused.value.problems}


def test_numbers_without_a_secret_are_refused(study, tmp_path):
    copy = Path(shutil.copytree(study, tmp_path / "study", ignore=shutil.ignore_patterns("runs", "work")))
    config = copy / "study.toml"
    config.write_text(config.read_text("utf-8").replace(CONFIG, ""), encoding="utf-8")
    with pytest.raises(InputError) as refused:
        prepared(copy, data__columns={"opt_out": {"person": "NHS Number"}})
    assert {p.code for p in refused.value.problems} & {"X205", "X204"}
