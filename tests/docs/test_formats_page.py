"""The page of formats names every format, layout and column that is read, and `explain` documents each."""

from __future__ import annotations

import pytest

from aaot_eval.cli.explain import _formats
from aaot_eval.schema import schema_names, table_schema
from tools.formats_page import page


def test_the_page_of_formats_is_the_one_that_the_schemas_make(root):
    written = (root / "docs" / "formats.md").read_text("utf-8")
    assert written == page(), "run: python -m tools.formats_page > docs/formats.md"


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
