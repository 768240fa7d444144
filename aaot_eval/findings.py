"""The catalogue of data problems: what each code means, how bad it is, and what to do.

A finding about the data is one of these with a count and a place; `docs` and `explain` read the same catalogue.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["stop", "warn", "note"]


@dataclass(frozen=True, slots=True)
class FindingKind:
    """One entry of the catalogue."""

    code: str
    title: str
    level: Level
    why: str
    do: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem met in the data: its kind, where, how many records and how many people.

    `detail` never holds a value of a patient. `people` lets disclosure control treat the count; None = not about people.
    """

    code: str
    where: str = ""
    records: int | None = None
    people: int | None = None
    detail: str = ""

    @property
    def kind(self) -> FindingKind:
        """The catalogue entry."""
        return CATALOGUE[self.code]

    @property
    def level(self) -> Level:
        """How bad: stop, warn or note."""
        return self.kind.level


CATALOGUE: dict[str, FindingKind] = {}


def _add(code: str, level: Level, title: str, why: str, do: str) -> None:
    CATALOGUE[code] = FindingKind(code, title, level, why, do)


# Extracts (X): the file against its schema.
_add(
    "X210",
    "note",
    "Columns not read",
    "Only mapped columns are read, so that nothing unneeded is kept.",
    "Nothing, unless a listed column is needed: map it under [data.columns].",
)
_add(
    "X211",
    "warn",
    "Rows rejected while reading",
    "Rows that cannot be read as declared are counted and listed, never dropped in silence.",
    "Open restricted/rejects.csv; ask the supplier to mend the lines.",
)
_add(
    "X212",
    "warn",
    "Quotes ignored",
    "A stray quotation mark swallowed rows; the file was read again without quoting.",
    "Ask the supplier for a file with balanced quotes.",
)
_add(
    "X270",
    "note",
    "Read from a workbook",
    "One sheet was read; its dates and numbers are those of the cells, not of how Excel shows them.",
    "Check that it is the sheet you mean.",
)
# Data (D): the rows against the rules of the field.
_add(
    "D301",
    "note",
    "Episodes not valid",
    "Unfinished episodes and episodes without a person, provider or date cannot be counted.",
    "Nothing, if the share is what the supplier expects.",
)
_add(
    "D302",
    "note",
    "Regular attenders left out",
    "Planned series (patient class 3 and 4) are not admissions.",
    "Nothing.",
)
_add(
    "D303",
    "note",
    "Repeated episodes",
    "The same episode loaded twice must not count twice; the last load wins.",
    "Nothing.",
)
_add(
    "D304",
    "warn",
    "Impossible dates",
    "An end before its start means a wrong date in the source.",
    "Ask the supplier to mend the dates.",
)
_add(
    "D305",
    "warn",
    "Activity after death",
    "An admission after the recorded death means a wrong link; the death is not used.",
    "Check the deaths file.",
)
_add(
    "D306", "note", "Overlapping spells", "Two stays of one person at one time; joined by the stated rule.", "Nothing."
)
_add(
    "D307",
    "warn",
    "Caseload people without any record",
    "They have no admissions in the extract, or their ids do not match.",
    "Check that caseload and extract use the same person id.",
)
_add(
    "D308",
    "stop",
    "Caseload matches nobody",
    "No person of the caseload is in the extract: the ids are of two kinds.",
    "Give both files the same person id, or map [data.person_key].",
)
_add(
    "D309",
    "warn",
    "Months left out at the end",
    "The last months are not complete yet and would look like a fall.",
    "Rerun when the months are complete.",
)
_add(
    "D310",
    "warn",
    "Empty site-month",
    "A site without a single record in a month is more likely missing data than no admissions.",
    "Ask the supplier; the month is treated as missing, not as zero.",
)
_add(
    "D311",
    "warn",
    "Site not in the sites table",
    "Its admissions are counted for people but it is no unit of the comparison.",
    "Add the site to the sites table.",
)
_add(
    "D312",
    "warn",
    "Primary diagnosis missing or unknown (R69X)",
    "Uncoded episodes hide alcohol admissions, most of all in late months.",
    "Wait for the coded file, or leave those months out.",
)
_add(
    "D313",
    "warn",
    "Unknown codes",
    "A code outside the published set cannot be used in a rule.",
    "Check the column mapping.",
)
_add(
    "D314",
    "warn",
    "Month with unusual volume",
    "A site-month far below its usual volume may be partial.",
    "Ask the supplier; mark the month as left out if it is partial.",
)
_add(
    "D316",
    "note",
    "Person id missing",
    "Such records cannot be linked; they are left out of the patient analyses.",
    "Nothing.",
)
_add(
    "D317",
    "note",
    "Pandemic months in the window",
    "March 2020 to 2021 changed hospital use everywhere.",
    "Read the pandemic sensitivity rows.",
)
_add(
    "D318",
    "note",
    "Patient stages skipped",
    "The input is already aggregated: there are no people in it.",
    "Give an extract to have the patient analyses.",
)
_add(
    "D319",
    "note",
    "A part was left out of the config",
    "Leaving a table out of the config removes its stage.",
    "Add the table to the config to have the stage.",
)
_add(
    "D331",
    "stop",
    "Diagnoses missing",
    "A month in which most episodes have no main diagnosis would count as a month without alcohol admissions.",
    "Ask for the coded file, or take the months out with study.left_out, study.first_period or study.last_period.",
)
_add(
    "D332",
    "stop",
    "Admission method missing",
    "Without the method of admission an emergency cannot be told from a planned stay, and the month would count as nought.",
    "Ask for the column to be filled, or take the months out with study.left_out, study.first_period or study.last_period.",
)
_add(
    "D333",
    "stop",
    "Too many episodes lost for one reason",
    "When more than a fifth of the rows fall to one rule, the column is mapped wrongly or the extract is not what it should be.",
    "Check the mapping of the column under [data.columns]; ask the supplier.",
)
_add(
    "D334",
    "warn",
    "Many episodes lost for one reason",
    "Between 5 and 20 per cent of the rows fall to one rule; if that share changes over time it looks like an effect.",
    "Ask the supplier whether the share is what they expect.",
)
_add(
    "D335",
    "warn",
    "Admission method often missing",
    "Episodes without a method of admission are never counted as emergencies.",
    "Ask the supplier; leave the months out if the share changes over time.",
)
_add(
    "D340",
    "warn",
    "Referral before the team began",
    "A referral in a month before the go-live of its site is a wrong date in one of the two tables.",
    "Mend the date of referral, or go_live in the sites table.",
)
_add(
    "D341",
    "warn",
    "Referral at a site without a service",
    "The sites table says that this site never had the service, and is a comparison; people referred there make it no comparison.",
    "Mend the site of the referral, or give the site its go_live.",
)
_add(
    "D342",
    "warn",
    "Referral that ends or starts before it was made",
    "Nobody is seen by a team, or leaves it, before the referral.",
    "Mend the dates referred, started and ended.",
)
_add(
    "D343",
    "warn",
    "Person more than once in the caseload",
    "A person counts from the first referral on; later referrals are not used.",
    "Nothing if they were referred again; otherwise take the repeated rows out.",
)
_add(
    "D344",
    "warn",
    "Death at an impossible time",
    "A death before 1900 or more than a year after the data is a wrong date.",
    "Check the deaths file.",
)
_add(
    "D345",
    "warn",
    "Rows missing in the panel",
    "A unit without a row in a period is treated as missing there, never as nought.",
    "Add the rows; with a blank outcome when the count is not known.",
)
_add(
    "D346",
    "warn",
    "Columns of the panel that no estimate uses",
    "They are read, checked and kept with the panel, but no estimator weights, clusters or adjusts by them.",
    "Do not read the results as weighted, clustered or adjusted by these columns.",
)
_add(
    "D350",
    "note",
    "Contacts with people who are in no extract",
    "A contact counts only for a person known from an extract or the caseload.",
    "Check that contacts and caseload use the same person id.",
)
_add(
    "D351",
    "note",
    "Contacts outside the time on the caseload",
    "The team saw somebody before the referral, after the end, or who is not on its caseload.",
    "Check the dates of the caseload and of the contacts.",
)
_add(
    "D352",
    "warn",
    "Sites without denominators of their own",
    "Their population is taken from the sites table and does not change over the months.",
    "Add rows for these sites to the denominators.",
)
_add(
    "D353",
    "note",
    "Death links marked as not to be used",
    "The source marks them as wrong links; these people count as alive from this table.",
    "Nothing.",
)
_add(
    "D360",
    "warn",
    "A marker of continuous stays is not used",
    "The extract says itself which episodes are one stay, and the rule chosen joins by transfer codes that it does not have.",
    'Set stay_rule = "smr" (and spell_rule = "smr") under [study].',
)
_add(
    "D361",
    "warn",
    "Provider that begins or ends inside the series",
    "A merger or a new code looks like a service that opened or closed, and its patients like transfers.",
    "Give the change in data.providers (old_code, new_code, from), or leave the provider out.",
)
_add(
    "D362",
    "note",
    "Records under an old provider code",
    "They count for the provider that has the new code, before and after the change alike.",
    "Give populations that cover the merged provider throughout.",
)
_add(
    "D363",
    "warn",
    "Months that may still change (flex)",
    "They were not frozen when the extract was made; late and corrected records will change their counts.",
    'Run again after the freeze, or set data.flex = "leave_out".',
)
_add(
    "D364",
    "note",
    "Codes outside their years",
    "Codes change by financial year; both generations are read, so that no step appears in the series.",
    "Nothing, unless the share is large: then the year or the mapping of a column is wrong.",
)
_add(
    "D365",
    "note",
    "One-off person keys",
    "Such a key is made for one record alone; it is never linked, and repeat admissions of these people are not seen.",
    "Nothing; people of no fixed abode are more often among them.",
)
_add(
    "D366",
    "warn",
    "Same-day emergency care moved to another data set",
    "From that month on short emergency stays of the site are recorded as attendances: admissions seem to fall.",
    "Read the outcomes without same-day stays, and with attendances of type 05 where these are given.",
)
_add(
    "D367",
    "note",
    "More than 28 days between episodes of one spell",
    "Leave of up to 28 days does not end a spell; longer leave should have ended it.",
    "Ask the provider; the rule chosen decides whether the spell goes on.",
)
_add(
    "D368",
    "note",
    "Months in which an outcome cannot be complete",
    "A readmission needs the discharge before it, and a discharge the days after it, inside the data.",
    "Nothing; these months are empty for the outcome.",
)
_add(
    "D369",
    "note",
    "Rules of counting chosen",
    "They differ from the defaults; figures are comparable only with figures counted by the same rules.",
    "Nothing.",
)
_add(
    "D370",
    "warn",
    "Records under an old provider code long after its end",
    "More than a quarter after the change the old code should not occur; it may be in use by somebody else.",
    "Check the table of changes.",
)
_add(
    "D380",
    "note",
    "People who opted out",
    "Their rows left every file as it was read; nothing of them is in any table, in what is kept or in the results.",
    "Nothing.",
)
_add(
    "D381",
    "warn",
    "The opt-out list names nobody in the data",
    "Either they are already left out of the extract, or list and extract do not use the same person id.",
    "Check that both hold the same kind of key; with [data.person_key] both are hashed with the same secret.",
)
_add(
    "D382",
    "warn",
    "Volume far from that of the year before",
    "A newest quarter far above or below the same months a year before is more often a matter of records than of patients.",
    "Ask the supplier whether the months are whole; the limit can be set in [quality] thresholds.",
)
_add(
    "D383",
    "warn",
    "Coding depth has changed",
    "With more codes an episode, measures over all positions find more alcohol without any patient changing.",
    "Compare a run with fewer positions ([counting] positions); the limit can be set in [quality] thresholds.",
)
_add(
    "D384",
    "note",
    "Extract of a single trust",
    "Admissions of the same people elsewhere are not seen: a person who goes to another hospital looks like one who stays away.",
    "Ask for the records of neighbouring trusts, or say how many of the caseload are known to go elsewhere.",
)
_add(
    "D330",
    "stop",
    "The data are stale",
    "The newest complete month is older than the month of the run less the allowed lag.",
    "Ask for the newer extract, or set lag_months under [monthly].",
)
