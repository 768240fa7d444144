"""RECORD: what studies of routinely collected health data report beyond STROBE."""

from __future__ import annotations

from aaot_eval.report.checklists._rules import Checklist, Item, author, held, no_link, no_people, unless, where

CODE_LISTS = "data_schemas/codelists/ of the version, their hashes in manifest.json"

LIST = Checklist(
    "RECORD",
    "Benchimol EI and others. PLoS Medicine 2015;12:e1001885",
    (
        Item("1.1", "Kind of data and names of the databases in title or abstract",
             author("name the kind of records and the databases in title or abstract", "@sources")),
        Item("1.2", "Place and time span in title or abstract",
             author("name region and time span in title or abstract", "@first_period", "@last_period")),
        Item("1.3", "Linkage named in title or abstract",
             unless(no_link, author("say in title or abstract that records were linked", "caseload_join"))),
        Item("6.1", "Codes and rules by which people or admissions were selected",
             where(no_people, author("say how the counts of the panel were made: records, codes, rules", "@sources"),
                   held("service", "flow", "@counting", "@primary.outcome"))),
        Item("6.2", "Validation of those codes and rules",
             author("cite a validation of the codes in records like these, or say that there is none")),
        Item("6.3", "Flow of the linkage with numbers at each stage", unless(no_link, held("quality", "caseload_join"))),
        Item("7.1", "Complete lists of codes for exposure, outcomes and what was adjusted for",
             author(f"attach the code lists ({CODE_LISTS}) and say what exposure was", "@counting", "@primary.outcome")),
        Item("12.1", "Which part of the databases the investigators could reach",
             author("say who had access to which records, and who made the extract", "@sources")),
        Item("12.2", "How the data were cleaned",
             where(no_people, author("say how the counts were checked before they came here", "data_quality"),
                   held("quality", "data_quality", "flow"))),
        Item("12.3", "Level, method and quality of linkage",
             unless(no_link, author("say what the person key rests on, who made it, and how good it is", "caseload_join"))),
        Item("13.1", "How those included were selected, quality and linkage among the reasons",
             where(no_people, author("say which units and periods were taken, and why", "data_quality"),
                   held("service", "flow", "flow.reason"))),
        Item("19.1", "What follows from using records made for another purpose",
             author("discuss coding, missing data, what was not measured, and rules that changed over time", "limits", "data_quality")),
        Item("22.1", "Where protocol, data and program can be had",
             author("say where protocol, data and program can be had", "@plan.sha256", "@version", "@config_hash")),
    ),
    note="What RECORD asks beyond STROBE; both lists belong together.",
)  # fmt: skip
