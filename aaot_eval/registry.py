"""Finds parts that live one to a file and are chosen by name."""

from __future__ import annotations

import difflib
import pkgutil
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Generic, TypeVar

from aaot_eval.errors import InputError, Problem

T = TypeVar("T")


class Registry(Generic[T]):
    """The parts of one package, by name; importing a module of the package is what registers its part."""

    def __init__(self, kind: str, package: str) -> None:
        self.kind, self.package = kind, package
        self._parts: dict[str, T] = {}
        self._loaded = False

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator: put the part under `name`; the same name twice is a programming error."""

        def put(part: T) -> T:
            if name in self._parts:
                raise ValueError(f"{self.kind} {name!r} is registered twice")
            self._parts[name] = part
            return part

        return put

    def _load(self) -> None:
        if not self._loaded:
            for module in pkgutil.iter_modules(import_module(self.package).__path__):
                if not module.name.startswith("_"):
                    import_module(f"{self.package}.{module.name}")
            self._loaded = True

    def __getitem__(self, name: str) -> T:
        self._load()
        if name not in self._parts:
            near = difflib.get_close_matches(name, self._parts, n=3)
            raise InputError(
                Problem(
                    "C110",
                    f"there is no {self.kind} called {name!r}",
                    allowed=", ".join(sorted(self._parts)),
                    do=f"write {near[0]!r}" if near else f"choose one of the {self.kind}s listed",
                )
            )
        return self._parts[name]

    def __iter__(self) -> Iterator[str]:
        self._load()
        return iter(sorted(self._parts))

    def __len__(self) -> int:
        self._load()
        return len(self._parts)
