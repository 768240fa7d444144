"""The numbers that gates ask: their defaults, and between which numbers a study may set them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from aaot_eval.errors import counted


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
    "D425": Limit(0.15, 0.05, 0.9, "by which the newest month stays below what the year before and the growth since say: from it on a warning"),
    "D416": Limit(0.5, 0.1, 5.0, "by which the people served by a site differ from one period to the next: above it a warning"),
    "D417": Limit(0.2, 0.02, 0.9, "of the admissions a head of the median site: below it, or above its inverse, a warning"),
    "D422": Limit(0.02, 0.0, 1.0, "of the caseload of a site that the run before read is gone: above it a warning"),
}  # fmt: skip

#: Pairs of gates about one number: the first warns where the second does not stop yet.
WARNED_BEFORE = (("D312", "D331"), ("D335", "D332"), ("D334", "D333"), ("D387", "D388"))
