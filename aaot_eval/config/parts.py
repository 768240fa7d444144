"""What every part of a config is made of: keys that are known, paths that Windows has not mangled, and patterns with their words."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,60}$"
ANALYSIS_PATTERN = r"^[a-z0-9_]+$"
YEAR_PATTERN = r"^\d{4}/\d{2}$"
KEY_PATTERN = r"^[A-Za-z0-9_-]{1,40}$"
CODE_PATTERN = r"^[A-Z][0-9]{2}(\.?[0-9])?$"
MONTH_PATTERN = r"^\d{4}-(0[1-9]|1[0-2])$"
AREA_PATTERN = r"^[A-Z0-9]{2,12}$"
#: The patterns of this module in words.
PATTERNS = {
    NAME_PATTERN: "letters a to z, digits, - and _, a letter or digit first, at most 61 characters",
    ANALYSIS_PATTERN: "small letters a to z, digits and _",
    MONTH_PATTERN: "a month such as 2024-04",
    YEAR_PATTERN: "a financial year such as 2024/25",
    CODE_PATTERN: "an ICD-10 code of three or four characters in capitals, such as K70 or F10.2",
    AREA_PATTERN: "the code of an area in capitals as the extract writes it, such as E06000042, or how such codes begin, at least two characters",
    KEY_PATTERN: "the first letters or digits of such keys as they stand, such as ONEOFF, without signs for any other",
}
#: What `\n` and `\t` of a Windows path in double quotes become, and how to write it.
CONTROL = re.compile(r"[\x00-\x1f]")
FOLDERS = r"write folders with / (C:/data/apc.csv), or in single quotes ('C:\data\apc.csv')"


def _plain_path(text: str) -> str:
    if CONTROL.search(text):
        raise ValueError(f"the path holds a line end, tab or the like; {FOLDERS}")
    return text


FilePath = Annotated[str, AfterValidator(_plain_path)]
Files = FilePath | list[FilePath]
PeriodText = Annotated[
    str | int | date, Field(description="a month (2024-04), quarter (2024Q2), year or plain integer")
]


class Part(BaseModel):
    """The base of every record that is read from TOML: frozen, and no key is unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    @field_validator("*", mode="before")
    @classmethod
    def _truth_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        kind = cls.model_fields[info.field_name or ""].annotation
        if isinstance(value, bool) and kind not in (bool, Any):
            raise ValueError("true and false are not values for this key")
        return value
