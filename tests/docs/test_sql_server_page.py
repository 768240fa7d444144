"""The queries of the page for SQL Server give files that are recognised as they are, every column read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from aaot_eval.ingest.recognise import likenesses

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "sql_server.md").read_text("utf-8")
QUERIES = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize(("query", "name"), list(zip(QUERIES, ("cds_apc", "sus_apc"), strict=True)))
def test_what_a_query_selects_is_a_whole_header_of_its_format(query, name):
    selected = query.split("FROM dbo", 1)[0]
    header = re.findall(r"AS \[([^\]]+)\]", selected) + re.findall(r"^ {4}\w\.(\w+),$", selected, re.MULTILINE)
    best = likenesses("admissions", header, {})[0]
    assert (best.schema.name, best.share, best.lacking) == (name, 1.0, ())
    assert set(best.held.values()) == set(header)


def test_what_bcp_does_to_empty_texts_is_said():
    assert "NULLIF(e.discharge_method, '')" in PAGE
