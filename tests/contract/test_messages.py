"""Every code that the program can print has an entry that says what it means and what to do."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from aaot_eval.cli import run
from aaot_eval.cli.explain import OWNERS
from aaot_eval.findings import CATALOGUE, LIMITS
from aaot_eval.messages import MESSAGES

PACKAGE = Path(__file__).resolve().parents[2] / "aaot_eval"
CODE = re.compile(r"[CDEPRUVX][0-9]{3}")
# Diagnoses look like codes: the modules that make people up hold them, and print none of them.
MADE_UP = "synthetic"


def printed() -> dict[str, set[str]]:
    """Every code handed to a call as an argument of its own, with the modules: of a message, a refusal, a finding, a limit."""
    found: dict[str, set[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if MADE_UP in path.parts and name != "Problem":
                continue
            for given in (*node.args, *(k.value for k in node.keywords)):
                if isinstance(given, ast.Constant) and isinstance(given.value, str) and CODE.fullmatch(given.value):
                    found.setdefault(given.value, set()).add(path.relative_to(PACKAGE).as_posix())
    return found


def test_every_code_in_the_source_has_an_entry():
    used = printed()
    assert len(used) > 200
    missing = {code: sorted(where) for code, where in used.items() if code not in CATALOGUE and code not in MESSAGES}
    assert not missing, (
        "say what these mean in aaot_eval/messages.py (refusals) or aaot_eval/findings/texts.py (findings)"
    )


def test_no_entry_is_of_a_code_that_is_gone():
    text = "".join(
        p.read_text("utf-8") for p in PACKAGE.rglob("*.py") if p.name != "messages.py" and p.parent.name != "findings"
    )
    assert [code for code in (*MESSAGES, *CATALOGUE) if f'"{code}"' not in text] == []


def test_a_code_is_explained_in_one_place():
    assert set(CATALOGUE) & set(MESSAGES) == set()
    assert {code[0] for code in (*CATALOGUE, *MESSAGES)} <= set(OWNERS)


@pytest.mark.parametrize("code", ["C100", "X204", "E313", "P425", "V602", "D373"])
def test_explain_says_what_a_refusal_means_and_what_to_do(capsys, code):
    assert run(["explain", code]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    meaning, do = MESSAGES[code]
    assert f"{meaning} Do: {do}" in shown


@pytest.mark.parametrize("code", sorted(LIMITS))
def test_explain_prints_the_limit_of_a_gate(capsys, code):
    assert run(["explain", code]) == 0
    assert LIMITS[code].sentence in " ".join(capsys.readouterr().out.split())


def test_a_code_that_there_is_not_is_refused(capsys):
    assert run(["explain", "C999"]) == 2
    assert "there is nothing called 'C999'" in " ".join(capsys.readouterr().err.split())


#: What typer says of a command line is complete, and an interrupted run leaves nothing to do.
NOTHING_TO_DO = {"U001", "U130"}


def test_every_refusal_says_what_to_do():
    silent = [
        f"{path.relative_to(PACKAGE).as_posix()}:{node.lineno}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", "") == "Problem"
        and not any(k.arg == "do" for k in node.keywords)
        and not (isinstance(node.args[0], ast.Constant) and node.args[0].value in NOTHING_TO_DO)
    ]
    assert silent == []
