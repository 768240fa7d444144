"""The documents agree with the program: every command line in them runs, every verb and code is in them."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from aaot_eval.errors import EXIT_MEANING

ROOT = Path(__file__).resolve().parents[2]
PAGES = ["README.md", "CONTRIBUTING.md", "docs/reproducing.md"]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of a page in one language."""
    text = (ROOT / page).read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def shell_lines(page: str) -> list[str]:
    """The command lines of a page."""
    return [line for block in blocks(page, "sh") for line in block.splitlines() if line and not line.startswith("#")]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder laid out like a checkout after `make demo`, with a small study in place of the demonstration."""
    from aaot_eval.synthetic import simulate_study

    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "configs", folder / "configs")
    # 60 months, so that the as-of date of the README is not stale.
    simulate_study(
        folder / "demo" / "study", scenario="null", seed=1, sites=4, treated=1, months=60, launch_after=44, size=0.06
    )
    return folder


def test_every_command_line_of_the_readme_runs(checkout, monkeypatch, capsys):
    from aaot_eval.cli import run

    monkeypatch.chdir(checkout)
    ran = []
    for line in [line for page in ("README.md", "docs/reproducing.md") for line in shell_lines(page)]:
        words = shlex.split(line)
        if words[0] == "make":
            assert words[1] in TARGETS, line
            continue
        assert words[0] == "aaot-eval", line
        if line in ran:
            continue
        code = run(words[1:])
        assert code == 0, f"{line}\n{capsys.readouterr().err[-2000:]}"
        ran.append(line)
    assert len(ran) > 8


def test_make_targets_named_in_any_document_exist():
    for page in PAGES:
        for target in re.findall(
            r"`?make ([a-z-]+)`?",
            " ".join([*shell_lines(page), *re.findall(r"`make [a-z-]+`", (ROOT / page).read_text("utf-8"))]),
        ):
            assert target in TARGETS, f"{page}: make {target}"


def test_windows_commands_are_the_commands_of_the_makefile():
    (block,) = blocks("README.md", "bat")
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for needed in ("pip install --require-hashes -r requirements.lock", "--no-deps --no-build-isolation"):
        assert needed in block
        assert needed in makefile
    simulated = re.search(r"aaot-eval simulate \S+ (.*)$", block, re.MULTILINE)[1]
    assert simulated in makefile


def test_python_of_the_readme_runs(checkout, monkeypatch):
    (code,) = blocks("README.md", "python")
    monkeypatch.chdir(checkout)
    compile(code, "README.md", "exec")
    scope: dict[str, object] = {}
    exec(code, scope)
    assert scope["result"].verdict.sentence


def test_every_verb_is_documented_with_a_command_line():
    from aaot_eval.cli import VERBS

    lines = shell_lines("README.md")
    for verb in (verb for verbs in VERBS.values() for verb in verbs):
        assert any(line.startswith(f"aaot-eval {verb} ") for line in lines), f"the README has no example of {verb}"


def test_exit_codes_agree_with_the_program():
    table = re.findall(r"^\| (\d+) \| (.+?) \| (.+?) \|$", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    assert {int(code): (meaning, who) for code, meaning, who in table} == {int(c): v for c, v in EXIT_MEANING.items()}


def test_every_config_that_ships_loads():
    from aaot_eval.config import load_config

    configs = sorted(p for p in (ROOT / "configs").rglob("*.toml") if p.parent.name != "options")
    assert configs
    for path in configs:
        assert load_config(path).name


def test_links_between_documents_lead_somewhere():
    for page in [*PAGES, "GLOSSARY.md", "CHANGELOG.md"]:
        for target in re.findall(r"\]\(([^)#:]+)\)", (ROOT / page).read_text("utf-8")):
            assert (ROOT / page).parent.joinpath(target).exists(), f"{page}: {target}"


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_places_named_in_the_documents_exist(page):
    text = (ROOT / page).read_text("utf-8")
    places = re.findall(r"`((?:aaot_eval|docs|data_schemas|configs|tests)/[\w/.-]*)`", text)
    assert places
    for place in places:
        assert (ROOT / place).exists(), place


def test_the_version_is_the_same_everywhere():
    from aaot_eval import __version__

    assert f"version: {__version__}" in (ROOT / "CITATION.cff").read_text("utf-8")
    assert f"\n## {__version__}\n" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_no_document_uses_a_word_the_glossary_bars():
    barred = re.compile(r"\b(hospitalisations?|subjects? of the study|superspells?)\b", re.IGNORECASE)
    for path in [ROOT / p for p in PAGES] + sorted((ROOT / "docs").rglob("*.md")):
        assert not barred.findall(path.read_text("utf-8")), path.name


def test_every_finding_code_is_used_and_every_used_code_is_listed():
    from aaot_eval.findings import CATALOGUE

    source = "\n".join(p.read_text("utf-8") for p in (ROOT / "aaot_eval").rglob("*.py") if p.parent.name != "findings")
    used = set(re.findall(r'Finding\(\s*"([A-Z]\d{3})"', source))
    assert used <= CATALOGUE.keys(), used - CATALOGUE.keys()
    named = set(re.findall(r'"([A-Z]\d{3})"', source))
    assert CATALOGUE.keys() <= named, CATALOGUE.keys() - named


def test_the_panel_of_the_readme_runs(tmp_path, monkeypatch, capsys):
    from aaot_eval.cli import run

    (study,), (head,) = blocks("README.md", "toml"), blocks("README.md", "csv")
    columns, *given = head.splitlines()
    sites = {
        "North": ("410000", "2021Q3"),
        **{row.split(",")[0]: (row.split(",")[3], row.split(",")[4]) for row in given},
    }
    assert {start for _, start in sites.values()} == {"2021Q3", ""}, "the example shows a start and a blank"
    sites |= {f"Town{i}": ("300000", "") for i in range(4)}
    rows = [
        f"{site},{2019 + q // 4}Q{q % 4 + 1},{90 + (7 * q + 11 * i) % 13},{people},{start}"
        for i, (site, (people, start)) in enumerate(sites.items())
        for q in range(20)
    ]
    (tmp_path / "quarters.csv").write_text("\n".join([columns, *rows]) + "\n", encoding="utf-8", newline="\n")
    (tmp_path / "quarters.toml").write_text(study, encoding="utf-8", newline="\n")
    monkeypatch.chdir(tmp_path)
    assert run(["check", "quarters.toml", "--json"]) == 0, capsys.readouterr().err
    assert '"estimator": "site_did", "primary": true' in capsys.readouterr().out
    assert run(["analyze", "quarters.toml"]) == 0, capsys.readouterr().err


def test_scenarios_of_the_readme_are_those_there_are():
    from aaot_eval.synthetic import SCENARIOS

    text = (ROOT / "README.md").read_text("utf-8")
    assert all(f"`{name}`" in text for name in SCENARIOS)
