"""Writes docs/formats.md from the schemas in data_schemas/extracts: `python -m tools.formats_page > docs/formats.md`."""

from __future__ import annotations

import sys

from aaot_eval.schema import ColumnSpec, TableSchema, schema_names, table_schema

HEAD = """\
# Formats that are read

<!-- Made by `python -m tools.formats_page` from data_schemas/extracts; a test holds the two together. -->

Each format is one file in `data_schemas/extracts/`, found by its name. `aaot-eval explain NAME` lists the columns of a format.

## How a file is recognised

By its header: the format is taken whose required columns the header holds best. Capitals, spaces and signs do not count. A file
whose header holds less than half of the required columns of every format is refused, with the nearest format and what it
lacks. Three parts of the config help:

| part | use it |
|---|---|
| `[data.formats]` | to name the format, when a header fits two alike |
| `[data.columns]` | to say which of your columns is which, when their names are not known |
| `[data.dates]` | to say how dates are written, when they can be read both ways |

```toml
[data.columns]
admissions = { person = "PSEUDO_ID", admission_method = ["ADMIMETH", "Method of Admission"], diag_01 = "ICD 01", diag_02 = "ICD 02" }
```

Our name stands on the left, the name in your file on the right. Give a list where files call the same column by different
names. Map every diagnosis field: what is not mapped is not read.

## Which files are read

- CSV with comma, tab, vertical bar or semicolon; UTF-8 with or without a mark, UTF-16, Latin-1 or cp1252; any line ends; line
  breaks in quotation marks; also as gzip, or as zip with one file.
- Parquet. A file whose dates are dates and whose codes need no cleaning is read where it lies and not copied.
- Excel workbooks with one filled sheet, for the small tables.

A line that is blank or holds delimiters alone, such as `;;;;`, is no row and is not counted, as a blank row of a workbook is not; the lines
below it keep their numbers in messages.

The files of one table, by year or by month, may differ in their columns and even in their format. A packed file that unpacks to
more than 64 MiB and 200 times its size is refused, and so is a workbook of more than 256 MiB.

`aaot-eval simulate OUT --format NAME` writes a made-up study in a format. Each format is read back to the tables of the default
one, to the last row (`tests/contract/test_formats.py`).

## The formats

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
