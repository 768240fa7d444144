"""The NHS number, as far as its form tells: read as a person key only with a secret, and never released."""

from __future__ import annotations

import re


def is_nhs_number(text: str) -> bool:
    """Whether the check digit of a ten-digit number fits (modulus 11; NHS Data Dictionary); spaces and hyphens are left out.

    >>> is_nhs_number("943 476 5919"), is_nhs_number("9434765918")
    (True, False)
    """
    digits = re.sub(r"[\s-]", "", text)
    if not re.fullmatch(r"\d{10}", digits) or len(set(digits)) == 1:
        return False
    check = -sum(int(d) * weight for d, weight in zip(digits, range(10, 1, -1), strict=False)) % 11
    return check == int(digits[9])
