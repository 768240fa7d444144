"""Whose rows they are, kept unseen: the secret that keys are hashed with, and columns that identify people and are refused."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence

from aaot_eval.config import RunConfig
from aaot_eval.errors import InputError, Problem
from aaot_eval.ingest.near_names import plain
from aaot_eval.nhs_number import is_nhs_number

NHS_NUMBER_NAMES = re.compile(r"(new)?nhs_?(number|no|num)?")
IDENTIFYING_NAMES = re.compile(
    r".*(postcode|post_code|surname|forename|first_?name|last_?name|family_?name|given_?name|dob|date_?of_?birth|birth_?date).*"
)
NHS_NUMBER_SHARE = 0.9


def secret_of(config: RunConfig) -> bytes | None:
    """The secret that person keys are hashed with; None when the config has none. Raises InputError."""
    if config.data.person_key is None:
        return None
    path = config.path(config.data.person_key.secret_file)
    try:
        secret = path.read_bytes().strip()
    except OSError:
        raise InputError(
            Problem(
                "X207",
                f"there is no secret file {config.data.person_key.secret_file}",
                where="data.person_key",
                do="ask whoever keeps the secret for the file; never make a new one for an old study",
            )
        ) from None
    if len(secret) < 16:
        raise InputError(
            Problem(
                "X207",
                "the secret is shorter than 16 characters",
                where="data.person_key",
                do="use a long random secret",
            )
        )
    return secret


def secret_fingerprint(config: RunConfig) -> str | None:
    """What a run may store about its secret: enough to see that another one was used, nothing more."""
    secret = secret_of(config)
    return hashlib.sha256(b"aaot-eval secret\x00" + secret).hexdigest()[:16] if secret else None


def identifier_problems(config: RunConfig, table: str, held: Mapping[str, str], where: str) -> list[Problem]:
    """A refusal for each column read of a table that names people, or holds NHS numbers without a secret."""
    problems = []
    for ours, theirs in held.items():
        name = plain(theirs)
        if ours == "person" and NHS_NUMBER_NAMES.fullmatch(name) and config.data.person_key is None:
            problems.append(_no_secret(theirs, where))
        elif IDENTIFYING_NAMES.fullmatch(name):
            problems.append(
                Problem(
                    "X206",
                    f"the column {theirs} identifies people and is not read",
                    where=where,
                    do=f"take {ours} out of [data.columns]; no name, postcode or date of birth is needed",
                )
            )
    return problems


def refuse_nhs_numbers(config: RunConfig, tokens: Sequence[str]) -> None:
    """Raises InputError when person keys are NHS numbers as they stand (their check digit fits) and there is no secret."""
    if config.data.person_key is None and tokens and sum(map(is_nhs_number, tokens)) >= NHS_NUMBER_SHARE * len(tokens):
        raise InputError(_no_secret("that holds the person", "data"))


def _no_secret(column: str, where: str) -> Problem:
    return Problem(
        "X205",
        f"the column {column} holds NHS numbers and there is no secret",
        where=where,
        do='add person_key = { column = "' + column + '", secret_file = "..." } to [data], or give a pseudonymised key',
    )
