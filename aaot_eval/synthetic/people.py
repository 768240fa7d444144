"""What a made-up person keeps from record to record, worked out from the person's number alone: id, traits and area."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from aaot_eval.synthetic.code_pools import AREAS, ETHNIC, LIVES_FURTHER, NO_FIXED_ABODE, weighted
from aaot_eval.synthetic.world import BACKGROUND_FROM, PEOPLE_PER_SITE, Floats, Ints, Mask

_ONE, _TWO = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def mixed(number: Ints, seed: int, lane: int) -> NDArray[np.uint64]:
    """64 well-mixed bits for each number, never the same for two numbers; another lane gives unrelated bits."""
    with np.errstate(over="ignore"):
        z = number.astype(np.uint64) + np.uint64((seed * 0x9E3779B97F4A7C15 + lane * 0xD1B54A32D192ED03) % 2**64)
        for factor, shift in ((_ONE, np.uint64(30)), (_TWO, np.uint64(27))):
            z = (z ^ (z >> shift)) * factor
        return np.asarray(z ^ (z >> np.uint64(31)), dtype=np.uint64)


def share_of(number: Ints, seed: int, lane: int) -> Floats:
    """A fixed uniform number in [0, 1) for each person number."""
    return np.asarray((mixed(number, seed, lane) >> np.uint64(11)).astype(np.float64) * 2.0**-53)


def tokens(number: Ints, seed: int) -> pa.Array:
    """TOKEN_PERSON_ID of each person number: TEST and 28 hexadecimal digits."""
    raw = np.stack([mixed(number, seed, 1), mixed(number, seed, 2)], axis=1).view(np.uint8)[:, :14]
    digits = np.frombuffer(b"0123456789ABCDEF", dtype=np.uint8)
    text = np.empty((len(number), 32), dtype=np.uint8)
    text[:, :4] = np.frombuffer(b"TEST", dtype=np.uint8)
    text[:, 4::2], text[:, 5::2] = digits[raw >> 4], digits[raw & 15]
    offsets = np.arange(0, 32 * (len(number) + 1), 32, dtype=np.int32)
    return pa.StringArray.from_buffers(len(number), pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(text)))


@dataclass(frozen=True, slots=True)
class Person:
    """Fixed traits of people, made from their numbers."""

    male: Mask
    age: Floats
    ethnic: Ints
    deprivation: Ints


def traits(number: Ints, seed: int) -> Person:
    """Sex, age on the first day, ethnic category and deprivation tenth of each person number."""
    others = number % PEOPLE_PER_SITE >= BACKGROUND_FROM
    u = share_of(number, seed, 3)
    age = np.where(others, 18 + 76 * u**0.6, 22 + 50 * (u + share_of(number, seed, 4)) / 2)
    poor = np.where(others, 1.15, 1.8)
    return Person(
        male=share_of(number, seed, 5) < np.where(others, 0.47, 0.69),
        age=age,
        ethnic=weighted(share_of(number, seed, 6), ETHNIC),
        deprivation=(10 * share_of(number, seed, 7) ** poor).astype(np.int64),
    )


def areas(number: Ints, seed: int) -> Ints:
    """The place in AREAS of each person number: that of the home site, sometimes the next one's; -1 for no fixed abode."""
    home, u = number // PEOPLE_PER_SITE, share_of(number, seed, 8)
    return np.where(u < NO_FIXED_ABODE, -1, (home + (u > 1 - LIVES_FURTHER)) % len(AREAS))
