"""The first page for a mail: small, whole in itself, and saying nothing else than the report."""

from __future__ import annotations

import html
import re

import pytest

from aaot_eval.cli import run
from aaot_eval.report import build_report, summary_html, summary_text
from aaot_eval.report.blocks import Brief, words
from aaot_eval.report.summary import WIDTH
from aaot_eval.run_folder import RunFolder
from tests.cli.fakes import write_config, written
from tests.report_fixture import VARIANTS, release

MOST_BYTES = 100_000


def brief_of(variant):
    built = build_report(release(variant))
    (brief,) = (block for section in built.sections for block in section.blocks if isinstance(block, Brief))
    return built, brief


def flat(text: str) -> str:
    return re.sub(r"\s+", " ", text)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_mail_is_small_with_styles_inline_and_nothing_from_elsewhere(variant):
    page = summary_html(build_report(release(variant)))
    assert len(page.encode("utf-8")) < MOST_BYTES
    tags = {name.lower() for name in re.findall(r"<([A-Za-z][A-Za-z0-9]*)", page)}
    assert tags <= {"html", "head", "meta", "title", "body", "div", "h1", "h2", "h3", "p", "strong", "span", "br"}
    assert not re.search(r"https?:|url\(|\b(?:src|href|on\w+)=", page)
    assert all("style=" in tag for tag in re.findall(r"<(?:h[1-3]|p|div|body)\b[^>]*>", page))


@pytest.mark.parametrize("variant", VARIANTS)
def test_page_and_text_say_what_the_first_page_says(variant):
    built, brief = brief_of(variant)
    page = flat(
        html.unescape(re.sub(r"<[^>]*>", "", summary_html(built))).replace("\u00a0", " ").replace("\u2212\u2060£", "-£")
    )
    text = flat(summary_text(built))
    said = [built.title, *(a.question for a in brief.answers), *(words(a.text) for a in brief.answers)]
    said += [words(value) for _, value in brief.status.rows] + [said for _, said in built.banners]
    for sentence in said:
        assert flat(sentence).replace("\u2212£", "-£") in page
        assert flat(sentence) in text
    assert max(map(len, summary_text(built).splitlines())) <= WIDTH


def test_every_number_of_the_record_keeps_its_address():
    built, brief = brief_of("full")
    addresses = {
        part.address
        for text in (*(a.text for a in brief.answers), *(value for _, value in brief.status.rows))
        if not isinstance(text, str)
        for part in text
        if not isinstance(part, str)
    }
    assert addresses
    assert set(re.findall(r'data-ref="([^"]+)"', summary_html(built))) == addresses


def test_the_verb_writes_both_beside_one_another(tmp_path, monkeypatch, capsys):
    source = written(write_config(tmp_path / "study"), tmp_path / "runs")
    given = release("full")
    monkeypatch.setattr(RunFolder, "release", lambda _self: given)
    monkeypatch.chdir(tmp_path)
    assert run(["report", str(source), "--only", "summary", "--to", "mail.html"]) == 0
    assert capsys.readouterr().out.split() == ["mail.html", "mail.txt"]
    assert (tmp_path / "mail.html").read_text("utf-8").startswith("<!DOCTYPE html>")
    assert (tmp_path / "mail.txt").read_text("utf-8") == summary_text(build_report(given))
    assert run(["report", str(source), "--only", "summary", "--which", "record"]) == 2
    assert "goes with --only of these alone" in flat(capsys.readouterr().err)
