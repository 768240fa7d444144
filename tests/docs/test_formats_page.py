"""The page of formats names every format, layout and column that is read, and `explain` documents each."""

from __future__ import annotations

import pytest

from aaot_eval.cli.explain import _formats
from aaot_eval.schema import schema_names, table_schema
from tools.formats_page import page

REMAKE = "run: python -m tools.formats_page > docs/formats.md"


def test_the_page_of_formats_names_every_format_layout_and_needed_column(root):
    written = (root / "docs" / "formats.md").read_text("utf-8")
    for name in schema_names("extracts"):
        schema = table_schema("extracts", name)
        section = written.split(f"\n## {name}\n", 1)[1].split("\n## ", 1)[0]
        assert schema.title in section, REMAKE
        assert all(layout in written for layout in schema.extra.get("layouts", {})), REMAKE
        for column in schema.columns:
            if column.required:
                assert f"| {column.name} |" in section, REMAKE
    assert written == page(), REMAKE


@pytest.mark.parametrize("name", schema_names("extracts"))
def test_explain_documents_every_format(name):
    schema, told = table_schema("extracts", name), " ".join(_formats()[name].split())
    assert schema.title in told
    assert f"data.{schema.extra['given_as']}" in told
    for column in schema.columns:
        assert column.name in told
    for layout in schema.extra.get("layouts", {}):
        assert layout in told


def test_the_readme_points_to_the_formats(root):
    text = (root / "README.md").read_text("utf-8")
    assert "docs/formats.md" in text
    assert "docs/sql_server.md" in text
