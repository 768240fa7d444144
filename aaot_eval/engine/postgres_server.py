"""A PostgreSQL server as somebody gives it: its address, a connection, and words for what can go wrong.

The address is never in a config in clear when it holds a password: it comes from the environment, a service file or a
password file, as PostgreSQL's own programs read them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from aaot_eval.errors import InputError, Problem

ADDRESSES = 'postgres = "env:NAME" under [engine], or "service=NAME", or "host=... dbname=..." with a password file'
SECONDS_TO_CONNECT = 10
# Dates and numbers as text mean the same whatever the server's or the user's own settings are.
SETTINGS = ("DateStyle TO 'ISO, YMD'", "TimeZone TO 'UTC'")
MOST_DIGITS = 38
NO_SCHEMA = Problem(
    "C214",
    "no work schema can be made in this database",
    where="engine.postgres",
    do="ask for the right: GRANT CREATE ON DATABASE ... TO ...; the schema is dropped when the run ends",
)


def address_of(text: str | None) -> str:
    """The connection string behind `engine.postgres`; the config has refused one with a password. Raises InputError for none."""
    if not text:
        raise InputError(
            Problem("C213", "no PostgreSQL server is named", where="engine.postgres", allowed=ADDRESSES,
                    do="add the [engine] table with the name of the environment variable that holds the address")
        )  # fmt: skip
    if text.startswith("env:"):
        name = text.removeprefix("env:")
        found = os.environ.get(name, "")
        if not found:
            raise InputError(
                Problem("C218", f"the environment variable {name} is not set", where="engine.postgres",
                        do="set it to the server's address: postgresql://user:password@host:5432/database")
            )  # fmt: skip
        return found
    return text


def connect(address: str) -> Any:
    """A connection that commits every statement. Raises InputError without the extra and without a server."""
    try:
        import adbc_driver_manager
        from adbc_driver_postgresql import dbapi
    except ImportError:
        raise InputError(
            Problem("C210", "PostgreSQL needs an extra that is not installed", where="engine",
                    do='install it: pip install "aaot-eval[postgres]"')
        ) from None  # fmt: skip
    try:
        return dbapi.connect(_with_timeout(address), autocommit=True)
    except adbc_driver_manager.Error as fault:
        raise InputError(
            Problem("C213", f"the PostgreSQL server does not answer: {_reason(str(fault))}", where="engine.postgres",
                    do="check the address, that the server runs, and that you may log in")
        ) from None  # fmt: skip


def _with_timeout(address: str) -> str:
    if "connect_timeout" in address:
        return address
    if "://" in address:
        return f"{address}{'&' if '?' in address else '?'}connect_timeout={SECONDS_TO_CONNECT}"
    return f"{address} connect_timeout={SECONDS_TO_CONNECT}"


def _reason(text: str) -> str:
    """Why a server did not answer, in words of ours: the server's own could hold the user or the address."""
    words = {
        "refused": "connection refused",
        "timeout": "no answer in time",
        "password authentication failed": "user or password is wrong",
        "no password supplied": "it asks for a password",
        "pg_hba": "it does not let this user in from here",
        "translate host": "there is no such host",
        "No such file": "no server on this machine",
        "definition of service": "there is no such service",
    }
    if re.search(r'(database|role) "[^"]*" does not exist', text):
        return "there is no such database or user"
    return next((said for mark, said in words.items() if mark in text), "the address cannot be used")


@contextmanager
def lost(doing: str) -> Iterator[None]:
    """A refusal in words when the server fails; its own message may hold values and is not shown."""
    import adbc_driver_manager

    try:
        yield
    except adbc_driver_manager.Error as fault:
        state = getattr(fault, "sqlstate", None) or "no state"
        raise InputError(
            Problem("C217", f"PostgreSQL stopped while {doing} ({type(fault).__name__}, state {state})",
                    where="engine.postgres", do="look into the server's log; its space and memory; then run again")
        ) from None  # fmt: skip


def numbers(found: pa.Table) -> pa.Table:
    """The answer with exact decimals as numbers: the driver hands them on as text."""
    for i, field in enumerate(found.schema):
        column = found.column(i)
        if isinstance(field.type, pa.BaseExtensionType):
            column = pa.chunked_array([chunk.storage for chunk in column.chunks], type=field.type.storage_type)
        elif (field.metadata or {}).get(b"ADBC:postgresql:typname") != b"numeric":
            continue
        scale = max((len(v.partition(".")[2]) for v in column.to_pylist() if v is not None), default=0)
        kind = pa.decimal128(MOST_DIGITS, scale) if scale < MOST_DIGITS // 2 else pa.float64()
        found = found.set_column(i, field.name, column.cast(kind))
    return found
