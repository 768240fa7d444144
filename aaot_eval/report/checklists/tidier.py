"""TIDieR: how an intervention is described. Hardly any of it is in records of a hospital."""

from __future__ import annotations

from aaot_eval.report.checklists._rules import Checklist, Item, author, held

LIST = Checklist(
    "TIDieR",
    "Hoffmann TC and others. BMJ 2014;348:g1687",
    (
        Item("1", "Name of the service", author("name the service as it is known", "@title")),
        Item("2", "Why it should work", author("say by what it should lower admissions")),
        Item("3", "Materials", author("name what is used and given, and where to get it")),
        Item("4", "What is done", author("describe each activity", "fidelity.met")),
        Item("5", "Who does it", author("describe professions, training and numbers", "service_cost.wte")),
        Item("6", "How: alone or in groups, face to face or not", author("describe it", "caseload")),
        Item("7", "Where", author("describe places and what they need", "sites")),
        Item("8", "When and how much", author("say how often, how long and how intensively people are seen", "@starts", "first_contact")),
        Item("9", "Tailoring", author("say what is fitted to the person, and how")),
        Item("10", "Changes during the study", author("say what changed, when and why", "fidelity.not_met")),
        Item("11", "Fidelity: planned", author("say how and by whom it was to be judged, and what kept it up")),
        Item("12", "Fidelity: as it was", held("effect", "fidelity.met", "fidelity.source")),
    ),
)  # fmt: skip
