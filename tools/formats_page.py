"""Writes docs/formats.md from the schemas in data_schemas/extracts: `python -m tools.formats_page > docs/formats.md`."""

from __future__ import annotations

import sys

from aaot_eval.schema import ColumnSpec, TableSchema, schema_names, table_schema

HEAD = """\
# Formats that are read

<!-- Made by `python -m tools.formats_page` from data_schemas/extracts; a test holds the two together. -->

Each format is one file in `data_schemas/extracts/`, found by its name. A table of `[data]` is recognised from its header: the format
whose required columns the header holds best is taken, capitals, spaces and signs aside; below half of them the file is refused with the nearest
format and what is missing. `[data.formats]` names a format when two fit alike, `[data.columns]` maps local names (below), `[data.dates]` says how dates are
written when they can be read both ways. `aaot-eval explain NAME` lists the columns of a format; `aaot-eval simulate OUT --format NAME`
writes a made-up study in it, and every one is read back to the tables of the default format to the last row
(`tests/contract/test_formats.py`).

```toml
[data.columns]
admissions = { person = "PSEUDO_ID", admission_method = ["ADMIMETH", "Method of Admission"], diag_01 = "ICD 01", diag_02 = "ICD 02" }
```

Our name stands on the left, the name in your file on the right; a list where a column is called otherwise in some of the files. Map every diagnosis
field that is there: what is not mapped is not read.

Files may be CSV with comma, pipe, tab or semicolon, UTF-8 with or without a mark, UTF-16, Latin-1 or cp1252, any line ends, quoted cells
with line breaks, gzip, zip with one file, or Parquet; several files by year or month may differ in their columns and even in their
format. A Parquet file whose dates are dates and whose codes need no cleaning is read where it lies and not copied. The small tables may be Excel
workbooks with one filled sheet. A packed file that unpacks to more than 64 MiB and 200 times its size is refused, and so is a workbook of more than 256 MiB.

"""


def _says(column: ColumnSpec) -> str:
    rule = column.extra.get("made", {})
    parts = []
    if "joined" in rule:
        parts.append("else " + ", ".join(rule["joined"]) + " joined")
    if "filled" in rule:
        parts.append(f"else {rule['then']} when {rule['filled']} is filled, {rule['else']} when not")
    if "copy" in rule:
        parts.append(f"{rule['copy']} again")
    if "constant" in rule:
        parts.append(f"always {rule['constant']}")
    for ours, theirs in column.extra.get("recode", {}).items():
        parts.append(f"{'any other' if '*' in theirs else ' '.join(theirs)} becomes {ours or 'empty'}")
    if column.null_values:
        parts.append("empty: " + " ".join(column.null_values))
    return "; ".join(parts)


def _columns(schema: TableSchema) -> list[str]:
    lines = ["| column | needed | names in the file | what else |", "|---|---|---|---|"]
    shown = [c for c in schema.columns if not (c.name.startswith("diag_") and c.name > "diag_02")]
    for column in shown:
        needed = "yes" if column.required and "made" not in column.extra else ""
        lines.append(f"| {column.name} | {needed} | {', '.join(column.source_names)} | {_says(column)} |")
    return lines


def page() -> str:
    """The text of docs/formats.md."""
    names = sorted(schema_names("extracts"), key=lambda n: (str(table_schema("extracts", n).extra["given_as"]), n))
    lines = ["| format | key of `[data]` | further layouts that `simulate` writes | source |", "|---|---|---|---|"]
    for name in names:
        schema = table_schema("extracts", name)
        layouts = "; ".join(f"`{n}`: {node['title']}" for n, node in schema.extra.get("layouts", {}).items())
        lines.append(
            f"| [{name}](#{name}) | {schema.extra['given_as']} | {layouts} | {schema.extra.get('source', 'own')} |"
        )
    for name in names:
        schema = table_schema("extracts", name)
        lines += ["", f"## {name}", "", f"{schema.title}. {schema.description}", "", *_columns(schema)]
        together = schema.extra.get("concatenated")
        if together:
            lines += [
                "",
                f"All diagnoses in one cell: {', '.join(together['names'])}, separated by `{together['separator']}`.",
            ]
        diagnoses = [c for c in schema.columns if c.name.startswith("diag_")]
        if len(diagnoses) > 2:
            lines += ["", f"{len(diagnoses)} diagnoses; the further ones are named likewise."]
    return HEAD + "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
