"""The catalogue of data problems: what each code means, how bad it is, and what to do.

A finding about the data is one of these with a count and a place; `docs` and `explain` read the same catalogue.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from aaot_eval.errors import counted

Level = Literal["stop", "warn", "note"]


@dataclass(frozen=True, slots=True)
class Limit:
    """The number that a gate asks: its default, between which numbers a study may set it, its unit and what it bounds."""

    default: float
    least: float
    most: float
    meaning: str
    unit: Literal["share", "days", "months"] = "share"

    def shown(self, value: float) -> str:
        """A value as a sentence has it: 30 %, 28 days."""
        return f"{100 * value:g} %" if self.unit == "share" else counted(f"{value:g}", self.unit.removesuffix("s"))

    @property
    def sentence(self) -> str:
        """What the limit is, its default, and what a study may write instead."""
        between = f"{self.least:g} to {self.most:g}"
        return f"Limit: {self.shown(self.default)} ({self.meaning}); [quality] thresholds may set {between}."


@dataclass(frozen=True, slots=True)
class FindingKind:
    """One entry of the catalogue."""

    code: str
    title: str
    level: Level
    why: str
    do: str

    @property
    def limit(self) -> Limit | None:
        """The number that this gate asks; None for one that asks none."""
        return LIMITS.get(self.code)


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem met in the data: its kind, where, how many records and how many people.

    `detail` never holds a value of a patient. `people` lets disclosure control treat the count; None = not about people.
    `advice` takes the place of what the catalogue says to do, where this case has a better answer.
    """

    code: str
    where: str = ""
    records: int | None = None
    people: int | None = None
    detail: str = ""
    advice: str = ""

    @property
    def kind(self) -> FindingKind:
        """The catalogue entry."""
        return CATALOGUE[self.code]

    @property
    def level(self) -> Level:
        """How bad: stop, warn or note."""
        return self.kind.level

    @property
    def do(self) -> str:
        """What to do about it."""
        return self.advice or self.kind.do


CATALOGUE: dict[str, FindingKind] = {}

#: Every number that a gate asks, by the code of what it then says. X213 and C183 are refusals of a file and of a price table.
LIMITS: dict[str, Limit] = {
    "X211": Limit(0.05, 0.0, 0.5, "of the lines of a file cannot be split into its columns: above it the file is refused"),
    "X213": Limit(0.05, 0.0, 0.5, "of the cells of a column cannot be read: above it the file is refused"),
    "C183": Limit(0.10, 0.0, 0.5, "of the stays have no price though they may be listed: above it the run stops"),
    "D307": Limit(0.0, 0.0, 1.0, "of the caseload has no record: above it a warning"),
    "D309": Limit(2, 0, 15, "without an admission or the end of an episode: above it the last month does not count as whole", "days"),
    "D312": Limit(0.10, 0.01, 0.5, "of the episodes of a month have no main diagnosis: from it on a warning"),
    "D314": Limit(0.5, 0.1, 0.9, "of the usual month of the site: below it a month is unusual"),
    "D331": Limit(0.5, 0.05, 1.0, "of the episodes of a month, or of a site in a month, have no main diagnosis: above it the run stops"),
    "D332": Limit(0.5, 0.05, 1.0, "of the episodes of a month, or of a site in a month, have no admission method: above it the run stops"),
    "D333": Limit(0.2, 0.01, 1.0, "of the rows fall to one rule: above it the run stops"),
    "D334": Limit(0.05, 0.0, 1.0, "of the rows fall to one rule: from it on a warning"),
    "D335": Limit(0.10, 0.01, 0.5, "of the episodes of a month have no admission method: from it on a warning"),
    "D344": Limit(12, 1, 36, "after the data in which a death may still be dated", "months"),
    "D361": Limit(2, 1, 12, "from an end of the data in which a provider begins or ends with the data", "months"),
    "D367": Limit(28, 1, 90, "between two episodes of one spell: above it they are counted", "days"),
    "D370": Limit(92, 0, 366, "after a change of code in which the old one may still occur", "days"),
    "D382": Limit(0.3, 0.1, 0.9, "by which the newest quarter differs from the same months a year before: from it on a warning"),
    "D383": Limit(0.2, 0.05, 0.5, "by which the codes for each episode of the last year differ from those of the first: from it on a warning"),
    "D385": Limit(0.01, 0.0, 0.5, "of the episodes of one of the newest three months have no main diagnosis, more than in any month before: from it on a warning"),
    "D386": Limit(0.2, 0.05, 1.0, "by which a half-year differs from the half-year before it: from it on a warning"),
    "D387": Limit(0.02, 0.0, 1.0, "by which an earlier month of a site differs from what the run before saw: from it on a warning"),
    "D388": Limit(0.25, 0.05, 10.0, "by which an earlier month of all sites differs from what the run before saw: from it on the run stops"),
    "D391": Limit(0.0, 0.0, 1.0, "of the spells of a point of delivery have no price: above it a warning"),
    "D394": Limit(0.2, 0.0, 1.0, "of the caseload of a site is not among the admissions: above it a warning"),
    "D395": Limit(0.10, 0.01, 1.0, "of the records of a month, or of a site, lack a column: from it on a warning"),
    "D396": Limit(0.10, 0.01, 1.0, "of the rows of a site in a month are lost for one reason: from it on a warning"),
    "D415": Limit(0.05, 0.01, 1.0, "by which the share of private patients in one half of the months differs from the other: from it on a warning"),
    "D416": Limit(0.5, 0.1, 5.0, "by which the people served by a site differ from one period to the next: above it a warning"),
    "D417": Limit(0.2, 0.02, 0.9, "of the admissions a head of the median site: below it, or above its inverse, a warning"),
}  # fmt: skip

#: Pairs of gates about one number: the first warns where the second does not stop yet.
WARNED_BEFORE = (("D312", "D331"), ("D335", "D332"), ("D334", "D333"), ("D387", "D388"))


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
    "Open restricted/rejects.csv of the run, or that of `check --rejects`; ask the supplier to mend the lines.",
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
    "Unfinished episodes, and episodes without a person, provider or date, are not counted as admissions.",
    "Nothing if the number is what the supplier expects; the flow of inclusion counts each reason.",
)
_add(
    "D302",
    "note",
    "Regular attenders left out",
    "People who come by day or night in a planned series (patient class 3 and 4) are not admitted each time.",
    "Nothing.",
)
_add(
    "D303",
    "note",
    "Repeated episodes",
    "The same episode stands in the files more than once, as when months were sent again; it counts once, as it stood last.",
    "Nothing.",
)
_add(
    "D304",
    "warn",
    "Impossible dates",
    "An episode ends before it starts, or starts before the admission: a date is wrong. The rows are counted all the same; "
    "their length of stay and cost may be wrong.",
    "Ask the supplier to mend the dates; a few change no result.",
)
_add(
    "D305",
    "warn",
    "Activity after death",
    "Somebody was admitted or seen after the date of death, so the death was linked to the wrong person. It is not used, and "
    "the time at risk of these people goes on.",
    "Check how the deaths were linked; with many, ask for the file again.",
)
_add(
    "D306",
    "note",
    "Overlapping spells",
    "One person seems to be in two beds at once; such stays are joined as [study] stay_rule says.",
    "Nothing, if few.",
)
_add(
    "D307",
    "warn",
    "Caseload people without any record",
    "They have no admission in the extract, or their key is written otherwise there. Without their past they count as people who are "
    "never admitted.",
    "Check that caseload and extract write the same person key, and that the extract covers the hospitals these people use.",
)
_add(
    "D308",
    "stop",
    "Caseload matches nobody",
    "No key of the caseload is among those of the admissions, so the keys are of two kinds; the message says how they differ where that "
    "is seen.",
    "Give both files the same person key, written alike; where both hold NHS or local numbers, map [data.person_key].",
)
_add(
    "D309",
    "warn",
    "Months left out at the end",
    "The last months are not complete yet and would look like a fall, so no result uses them.",
    "Nothing now; run again when the months are complete. If they are complete already, say so with [data] complete_to.",
)
_add(
    "D310",
    "warn",
    "Empty site-month",
    "A site without a single record in a month has more likely sent nothing than admitted nobody. The month counts as missing there, "
    "not as nought.",
    "Ask the supplier for the months named, then run again with them; if the site was closed then, nothing.",
)
_add(
    "D311",
    "warn",
    "Site not in the sites table",
    "Admissions there count in the histories of people, but the site is not compared with the others.",
    "Add a row for the site to the sites table, go_live blank if it never had the service; nothing if it is to stay outside.",
)
_add(
    "D312",
    "warn",
    "Primary diagnosis missing or unknown (R69X)",
    "An episode without a diagnosis is never counted as alcohol-related: the months named seem to have fewer such admissions than they had.",
    "Ask for the coded file of these months, or leave them out with study.left_out or study.last_period.",
)
_add(
    "D313",
    "warn",
    "Unknown codes",
    "A code outside the published list means nothing to the rules, as if the cell were blank.",
    "Look in the files named for what stands in that column: codes stand as published and as text (21 and 2A, not 21.0). If it is another "
    "column, map the right one under [data.columns].",
)
_add(
    "D314",
    "warn",
    "Month with unusual volume",
    "In the months named the site has far fewer records than it usually has: part of them may be missing, which would look like a fall.",
    "Ask the supplier whether the months are whole. If not, leave them out for all sites with study.left_out until they are sent again; if "
    "they are, nothing.",
)
_add(
    "D316",
    "note",
    "Person id missing",
    "A record without a person key belongs to nobody that can be followed: episodes are left out, attendances count for their site alone.",
    "Nothing, if few; otherwise ask the supplier why the key is blank.",
)
_add(
    "D317",
    "note",
    "Pandemic months in the window",
    "From March 2020 to the end of 2021 people used hospitals less everywhere, whatever a service did.",
    "Read the rows of the report in which those months are left out; where they differ from the result, do not rest on either alone.",
)
_add(
    "D318",
    "note",
    "Patient stages skipped",
    "The input holds totals and no people, so nothing can be said of patients or of costs for each of them.",
    "Nothing; give an extract with [data] admissions to have these parts.",
)
_add(
    "D319",
    "note",
    "A part was left out of the config",
    "What the config does not name is not worked out; the report says what is missing.",
    "Nothing if it is meant so; else add the table or key named to the config.",
)
_add(
    "D331",
    "stop",
    "Diagnoses missing",
    "In the months named most episodes have no main diagnosis: they would count as months without alcohol admissions, and look like a fall.",
    "Ask for the coded file, or take the months out with study.left_out, study.first_period or study.last_period. Where every month is "
    "named, check under [data.columns] that diag_01 is the column of the main diagnosis.",
)
_add(
    "D332",
    "stop",
    "Admission method missing or unknown",
    "Without the method of admission an emergency cannot be told from a planned stay, and the month would count as nought.",
    "Where D313 names the column too, mend the export: codes stand as text, 21 and not 21.0. Else ask for the column to be filled, or take the "
    "months out with study.left_out, study.first_period or study.last_period.",
)
_add(
    "D333",
    "stop",
    "Too many rows lost for one reason",
    "More than a fifth of the rows would be left out for the reason given: a column is mapped wrongly, or the extract is not what it should be.",
    "Look at the column that the reason names: map the right one under [data.columns], or ask the supplier to fill it.",
)
_add(
    "D334",
    "warn",
    "Many rows lost for one reason",
    "Between 5 and 20 per cent of the rows are left out for the reason given; if that share changes over time it looks like an effect.",
    "Check that the right column is mapped under [data.columns]; ask the supplier whether the share is what they expect.",
)
_add(
    "D335",
    "warn",
    "Admission method often missing or unknown",
    "Without a method of admission an episode is never counted as an emergency: the months named seem to have fewer than they had.",
    "Ask the supplier to fill the column; until then leave the months out with study.left_out, if not all months are alike.",
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
    "A death before 1900, or more than a year after the last month, is a wrong date.",
    "Mend the dates in the deaths file; a wrong one may end the time at risk too early or not at all.",
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
    "Columns of the panel that not every estimate uses",
    "They are read, checked and kept with the panel, but estimators that are not named beside them do not weight, cluster or adjust by them.",
    "Do not read other results, the primary included, as weighted, clustered or adjusted by these columns.",
)
_add(
    "D350",
    "note",
    "Contacts with people who are in no extract",
    "A contact counts only for a person known from an extract or the caseload; these are not counted.",
    "Nothing, if few; otherwise check that contacts and caseload write the same person key.",
)
_add(
    "D351",
    "note",
    "Contacts outside the time on the caseload",
    "The team saw somebody before the referral, after the end, or who is not on its caseload.",
    "Nothing, if few; otherwise mend the dates referred and ended of the caseload, or those of the contacts.",
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
    "D354",
    "warn",
    "Nobody of the deaths table is in an extract",
    "The person keys are of two kinds, so that nobody is known to have died outside hospital and time at risk never ends there.",
    "Give the deaths the same person key as the admissions, or take the table out of [data].",
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
    "They were not frozen when the extract was made: late and corrected records will still change their counts, mostly upwards.",
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
    "The config counts by other rules than the usual ones; its figures compare only with figures counted in the same way.",
    "Nothing if they are meant so; quote the rules beside the figures.",
)
_add(
    "D370",
    "warn",
    "Records under an old provider code long after its end",
    "More than three months after the change the old code should not occur; it may be in use by somebody else, whose records then count "
    "for the wrong provider.",
    "Check the day of the change in the table of [data] providers; ask the provider who uses the old code now.",
)
_add(
    "D374",
    "warn",
    "Months without attendances",
    "A site without a single attendance in a month is more likely missing data: its attendances are missing then, but for people, their "
    "costs and the entry rule they count as none.",
    "Ask the supplier for the months; keep attendances out of [study] entry_rule and of patient outcomes until they are there.",
)
_add(
    "D375",
    "warn",
    "Files with different numbers of diagnosis fields",
    "A code in a field that other files do not have is found in these files alone: counts of codes in any position then differ by file.",
    "Ask for the same fields in every file, or look at the fewest: [counting] positions.",
)
_add(
    "D376",
    "warn",
    "A table does not reach as far as the months of the study",
    "Where a table ends before the last month, or begins after the first, what it lacks looks like a fall or a rise.",
    "Ask for the rest, or set data.complete_to, or study.first_period, to a month that every table holds in full.",
)
_add(
    "D377",
    "warn",
    "Only the main diagnosis is read",
    "Alcohol stands as often in the other diagnosis fields: a count of codes in any position misses those admissions.",
    "Map the other fields under [data.columns] (diag_02 and on), or set [counting] positions = 1 if the main diagnosis is meant.",
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
    "The newest three months lie far above or below the same months a year before: more often a matter of records than of patients.",
    "Ask the supplier whether the months are whole. If not, end the study earlier with study.last_period; if they are, nothing, and the "
    "limit can be set in [quality] thresholds.",
)
_add(
    "D383",
    "warn",
    "Coding depth has changed",
    "With more codes for each episode, measures over all positions find more alcohol without any patient changing.",
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
    "D385",
    "warn",
    "More uncoded episodes in the newest months than ever before",
    "Diagnoses come later than admissions: the newest months would seem to have fewer alcohol admissions than they had.",
    "Wait for the coded file, or end the study earlier with study.last_period.",
)
_add(
    "D386",
    "warn",
    "Jump in the records of a provider",
    "The codes for each episode, the uncoded episodes or the stays without a night changed from one half-year to the next: a new system, a new contract or "
    "care that moved looks like an effect.",
    "Ask the provider what changed then. If recording did, take an outcome that does not depend on it: the main diagnosis alone "
    "([counting] positions = 1), or emergencies of at least one night.",
)
_add(
    "D387",
    "warn",
    "Earlier months have changed since the last run",
    "Months that the run before had read hold other counts now: the result may change though nothing new has happened.",
    "Ask the supplier what was sent again, and say so beside the result; restricted/revisions.csv of the run lists each month.",
)
_add(
    "D388",
    "stop",
    "Earlier months have changed beyond revision since the last run",
    "When a month that was read before loses or gains a large share of its records, files are missing or were loaded twice.",
    "Give all the files that the run before had; raise the limit in [quality] thresholds when the supplier confirms the change.",
)
_add(
    "D389",
    "note",
    "Compared with the last run, month by month",
    "Which of the months that the run before saw have changed, and by how much.",
    "Nothing.",
)
_add(
    "D390",
    "note",
    "Transfers to mental-health wards that the data do not follow",
    "The stay goes on in a hospital that is not in the extract: its bed days, and the time in which nobody can be admitted, are not seen.",
    "Ask for the mental-health records (MHSDS) of these people, or read bed days as those of acute hospitals only.",
)
_add(
    "D391",
    "warn",
    "Spells without a price",
    "What has no price cannot be costed: it stops the run, or takes the mean price of its kind when [costs] unpriced says so.",
    "Add prices for these to the table of unit costs.",
)
_add(
    "D392",
    "note",
    "Spells whose episodes are not numbered from 1 without gaps",
    "An episode of the spell is missing, was joined to another spell, or is numbered wrongly.",
    "Nothing, if few; otherwise compare spell_rule hf, york and sus.",
)
_add(
    "D393",
    "note",
    "Discharge dates before the last episode of a spell",
    "Only the last episode should carry one; some suppliers copy it to all. The last episode's is used.",
    "Nothing.",
)
_add(
    "D394",
    "warn",
    "Caseload of a site that the admissions do not hold",
    "People of this team are often not among the admissions: their keys are written otherwise, or they go to hospitals outside the extract. "
    "The missing ones count as never admitted.",
    "Compare the keys of this site's caseload with those of the others; restricted/caseload_join.csv of the run lists each site.",
)
_add(
    "D395",
    "warn",
    "A column is often empty",
    "Rules that need the column do not hold for these records; if the share changes over time it looks like an effect.",
    "Ask the supplier to fill it for the months or sites named; restricted/completeness.csv of the run lists each.",
)
_add(
    "D396",
    "warn",
    "Rows lost for one reason at one site or in some months",
    "Rows without what every episode must have are not counted: where they are many, admissions seem to fall.",
    "Ask the supplier to mend the column for the months or sites named.",
)
_add(
    "D397",
    "note",
    "Two sexes under one person key",
    "Either a record is wrong, or the key stands for two people, whose admissions are then counted as one person's.",
    "Nothing, if few; otherwise ask how the keys were made. The first admission's is used.",
)
_add(
    "D398",
    "note",
    "Ages under the same person key that do not fit together",
    "The years of birth that follow from age and admission lie further apart than birthdays explain: a wrong age, or several people under the same key.",
    "Nothing, if few; otherwise ask how the keys were made. The first admission's is used.",
)
_add(
    "D399",
    "warn",
    "Prices that look like a slip of the pen",
    "The money is worked out as written: a line pasted twice counts twice, and a change written as a share is a hundredth of one in per cent.",
    "Look at the lines named; leave them as they are if they are meant so.",
)
_add(
    "D410",
    "note",
    "People whose area is not known are outside a cohort that is limited by area",
    "No fixed abode and a missing code look alike; such people are admitted more often than others, and the cohort is without them.",
    "Say so beside the result; without [cohort] area they are in.",
)
_add(
    "D411",
    "warn",
    "Files of admissions without the area where people live",
    "Somebody who is only in those files has no known area and is outside the cohort; somebody in others too enters it later.",
    "Map residence under [data.columns] for all files, or ask for the column.",
)
_add(
    "D412",
    "warn",
    "An area of the cohort in which nobody lives",
    "Its code is written in another way in the extract, or belongs to another kind of area.",
    "Write the code as the extract has it; where codes changed over the years, list both.",
)
_add(
    "D413",
    "note",
    "Attendances that were sent twice under two keys cannot be looked for",
    "They are known by arrival time, first diagnosis and first treatment, and a file does not hold all three.",
    "Nothing, or map the columns named under [data.columns]; the same key twice is found in any case.",
)
_add(
    "D414",
    "note",
    "Private patients",
    "Somebody else pays for them, and a hospital may send their records in one year and not in another.",
    'Nothing if the share is steady; [counting] private_patients = "drop" leaves them out.',
)
_add(
    "D415",
    "warn",
    "Share of private patients changed at a provider with the service",
    "Records of private patients that begin or end in the middle of the study look like an effect.",
    'Ask the provider; run again with [counting] private_patients = "drop" and compare.',
)
_add(
    "D416",
    "warn",
    "People served change suddenly",
    "A population that grows or falls so much from one period to the next is usually a slip of the pen, such as a nought too many, and moves every rate.",
    "Mend the number; a merger or another catchment that is real belongs beside the result.",
)
_add(
    "D417",
    "warn",
    "Admissions a head unlike those of the other sites",
    "A population with a nought too many or a full stop for thousands (12.600 is read as 12.6) gives a rate that cannot be.",
    "Mend the population of the site, in figures alone; nothing, if the site admits so many or so few of its people.",
)
_add(
    "D418",
    "note",
    "Changes of provider codes that no admission has",
    "No admission has the old code: the change joins nothing, as when a code is mistyped.",
    "Nothing, if the list is of more providers than the extract; else mend the code in data.providers.",
)
_add(
    "D330",
    "stop",
    "The data are stale",
    "The newest complete month is older than it should be by now, so the run would repeat an old answer.",
    "Ask for the newer extract; if it always comes later, set lag_months under [monthly].",
)
