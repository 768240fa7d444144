"""The sealed plan of a study: what was meant to be done, fixed before the outcomes are read, and the log of what was then done.

`plan_log.txt` in the study's folder holds one event a line: the SHA-256 of the rest of the line, two blanks, and the event as JSON, which
names the hash of the line before. So no line can be changed, taken out or put between others without every later hash being another one.
The events are `seal` (the plan itself), `accept` (a code list that changed, and why), `read` (a run is about to read the outcomes) and
`run` (a run is made). A line is never changed: what happens later is a further line.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aaot_eval import __version__
from aaot_eval.config import RunConfig
from aaot_eval.config.writing import settings_by_path
from aaot_eval.errors import InputError, Problem, counted
from aaot_eval.run_folder.environment import code_lists
from aaot_eval.run_folder.files import file_sha256, replace_text, sha256, text_sha256
from aaot_eval.run_folder.fingerprint import FILE_KEYS, code_hash, input_paths
from aaot_eval.run_folder.reading import RunFolder
from aaot_eval.run_folder.study import StudyFolder

PLAN_LOG = "plan_log.txt"

#: Settings that are no part of a plan: names, how far the data go, when they are stale, where files lie and what the work is done with.
NOT_PLANNED = re.compile(
    r"config_version|name|title|output\..*|engine\..*|monthly\.(lag_months|rebase)|counting\.code_list"
    r"|data\.(complete_to|extracted|frozen_to|person_key\.secret_file)"
)
#: Tables that are written for the study, and say who is compared with whom and at what prices: planned by what they hold.
WRITTEN = {f"{part}.{table}": table for part, table in (
    ("data", "sites"), ("costs", "unit_costs"), ("costs", "programme"), ("costs", "price_index"),
)}  # fmt: skip
#: What is planned to be there, whatever it holds: files, and how keys begin, which may be those of people.
GIVEN = {f"data.{table}" for table in FILE_KEYS} - WRITTEN.keys() | {"costs.outcome.utilities", "data.one_off_keys"}
OWN_CODE_LIST = "counting.code_list"
NOT_SET = "not set"

#: What each event holds beside its time, by kind.
EVENTS: Mapping[str, Mapping[str, type | tuple[type, ...]]] = {
    "seal": {"version": str, "plan": dict, "code_lists": dict, "first_read": (str, type(None)), "reason": str},
    "accept": {"code_lists": dict, "changed": list, "reason": str},
    "read": {"run_sha256": str},
    "run": {"run": str, "manifest_sha256": str, "data_cut": str, "departures": list},
}


def plan_of(config: RunConfig, *, declared: bool = False) -> dict[str, str]:
    """The settings of a study that are its plan, by path, each as text; with `declared` those alone that the config itself gives."""
    paths = input_paths(config)
    return {
        key: _held(paths[WRITTEN[key]]) if WRITTEN.get(key) in paths else "given" if key in GIVEN else value
        for key, value in settings_by_path(config.model_dump(mode="json", exclude_unset=declared)).items()
        if value != "[]" and not NOT_PLANNED.fullmatch(key)
    }


def _held(paths: Iterable[Path]) -> str:
    """What files hold, in a few letters: two that differ in nothing but line ends, or lie elsewhere, hold the same."""
    found = sorted(text_sha256(path) for path in paths if path.is_file())
    return f"content {sha256(json.dumps(found).encode())[:12]}" if found else "no file"


def lists_of(config: RunConfig) -> dict[str, str]:
    """The hash of every code list that the study can count by: those shipped with the program and its own. A panel is counted already."""
    if config.data.panel:
        return {}
    own = config.counting.code_list
    return code_lists() | ({OWN_CODE_LIST: text_sha256(config.files(own, OWN_CODE_LIST)[0])} if own else {})


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the log: its hash and what it says."""

    sha256: str
    facts: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """Which of `EVENTS` it is."""
        return str(self.facts["event"])

    @property
    def time(self) -> str:
        """When it was written, by the clock of the computer that wrote it."""
        return str(self.facts["time"])


@dataclass(frozen=True, slots=True)
class Seal:
    """The plan that a study is held to: the newest seal, those it took the place of, and the changes of code lists accepted since."""

    event: Event
    earlier: tuple[Event, ...]
    accepted: tuple[Event, ...]

    @property
    def day(self) -> str:
        """The day it was sealed."""
        return self.event.time[:10]

    @property
    def state(self) -> str:
        """What tells two states of the sealed plan apart: a run made under another state is another run."""
        return (self.accepted or (self.event,))[-1].sha256

    @property
    def lists(self) -> dict[str, str]:
        """The code lists as they were sealed, or accepted since."""
        return dict((self.accepted or (self.event,))[-1].facts["code_lists"])

    def departures(self, config: RunConfig) -> list[dict[str, str]]:
        """Each setting that is not as it was sealed: `key`, `sealed`, `now`.

        A setting that the sealing version did not have is none, unless the config gives it.
        """
        sealed, now, declared = self.event.facts["plan"], plan_of(config), plan_of(config, declared=True)
        return [
            {"key": key, "sealed": sealed.get(key, NOT_SET), "now": now.get(key, NOT_SET)}
            for key in {**now, **sealed}
            if sealed.get(key) != now.get(key) and (key in sealed or key in declared)
        ]

    def changed_lists(self, now: Mapping[str, str]) -> list[str]:
        """Code lists that are not those sealed. One more that is shipped is none, for nothing was counted by it."""
        own = {OWN_CODE_LIST} & now.keys()
        return [name for name in sorted(self.lists.keys() | own) if self.lists.get(name) != now.get(name)]

    def about(self, config: RunConfig) -> dict[str, Any]:
        """The seal as record and page show it, with what this config departs in."""
        facts = self.event.facts
        return {
            "sealed": self.event.time,
            "sha256": self.event.sha256,
            "version": facts["version"],
            "first_read": facts["first_read"],
            "reason": facts["reason"],
            "earlier": [{"sealed": e.time, "sha256": e.sha256} for e in self.earlier],
            "departures": self.departures(config),
            "accepted": [{"time": e.time, "lists": e.facts["changed"], "reason": e.facts["reason"]} for e in self.accepted],
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class PlanLog:
    """The log of a sealed study; there is no file as long as nothing was sealed."""

    path: Path

    @classmethod
    def beside(cls, study: Path) -> PlanLog:
        """The log in a study's folder."""
        return cls(study / PLAN_LOG)

    def events(self) -> list[Event]:
        """Every event, the first first. Raises InputError (V651) when a line does not hold."""
        events, broken = self.chain()
        if broken:
            raise InputError(self.broken_at(broken))
        return events

    def chain(self) -> tuple[list[Event], int]:
        """The events up to the first line that does not hold, and the number of that line; 0 when every line holds.

        Raises InputError (V651) when the file cannot be read.
        """
        try:
            lines = self.path.read_bytes().removesuffix(b"\n").split(b"\n")
        except FileNotFoundError:
            return [], 0
        except OSError as fault:
            raise InputError(
                Problem("V651", f"{PLAN_LOG} cannot be read: {fault.strerror or type(fault).__name__}", where=str(self.path),
                        do="close what holds it open, or ask for the right to read it")
            ) from None  # fmt: skip
        events: list[Event] = []
        for number, line in enumerate(lines, 1):
            event = _event(line.removesuffix(b"\r"), events)
            if event is None:
                return events, number
            events.append(event)
        return events, 0

    def broken_at(self, line: int) -> Problem:
        """What is said of a log that does not hold together."""
        return Problem(
            "V651",
            f"{PLAN_LOG} is not as it was written: line {line} is changed, or a line before it is gone",
            where=f"{self.path}, line {line}",
            do="put back a copy of the file from before, such as that of a backup; without one the seal proves nothing",
        )

    def seal(self) -> Seal | None:
        """The plan that stands; None when none was sealed."""
        events = self.events()
        seals = [i for i, event in enumerate(events) if event.kind == "seal"]
        if not seals:
            return None
        since = events[seals[-1] :]
        return Seal(since[0], tuple(events[i] for i in seals[:-1]), tuple(e for e in since if e.kind == "accept"))

    def append(self, event: str, **facts: Any) -> Event:
        """One more line; under the study's lock only, so that no two runs write after the same line."""
        before = self.events()
        written = {
            "event": event,
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            **facts,
            "before": before[-1].sha256 if before else "",
        }
        text = json.dumps(written, ensure_ascii=True, allow_nan=False)
        digest = sha256(text.encode())
        known = self.path.read_text("utf-8").removesuffix("\n") + "\n" if before else ""
        replace_text(self.path, f"{known}{digest}  {text}\n")
        return Event(digest, written)


def _event(line: bytes, before: Sequence[Event]) -> Event | None:
    """A line as an event; None when its hash, the hash it names of the line before, or its parts are wrong."""
    digest, _, text = line.partition(b"  ")
    if sha256(text) != digest.decode("ascii", "replace"):
        return None
    try:
        facts = json.loads(text)
        parts = EVENTS[facts["event"]]
        datetime.fromisoformat(facts["time"])
        whole = all(isinstance(facts[name], kind) for name, kind in parts.items())
    except (ValueError, KeyError, TypeError):
        return None
    follows = facts.get("before") == (before[-1].sha256 if before else "") and (before or facts["event"] == "seal")
    return Event(digest.decode("ascii"), facts) if whole and follows else None


def standing_seal(study: StudyFolder) -> Seal | None:
    """The plan that a study is held to; None when none was sealed.

    InputError when the log is broken (V651), or is gone or cut short so that a run made under it is not in it (V652): a study does not
    become one without a plan by losing a file.
    """
    log = PlanLog.beside(study.path)
    known = {event.sha256 for event in log.events()}
    sealed = [run for run in study.runs() if run.manifest.get("plan")]
    lost = [run.path.name for run in sealed if run.manifest["plan"]["log_line"] not in known]
    if lost:
        raise InputError(
            Problem("V652", f"{PLAN_LOG} does not know {'the run' if len(lost) == 1 else 'the runs'} {', '.join(lost)}, made under a sealed plan",
                    where=str(log.path), do="put back a copy of the file from after the last run, such as that of a backup")
        )  # fmt: skip
    return log.seal()


def seal_plan(study: StudyFolder, config: RunConfig, reason: str = "") -> tuple[Seal, bool]:
    """The seal of a study, and whether it is new: the one that stands when it says the same.

    Another plan is sealed in its place only for a reason; InputError (C250) without one. Nothing of an extract is read.
    """
    log = PlanLog.beside(study.path)
    found, lists = standing_seal(study), lists_of(config)
    if found is not None:
        other = [f"{d['key']}: {d['sealed']}; now: {d['now']}" for d in found.departures(config)]
        other += [f"{name}: another code list" for name in found.changed_lists(lists)]
        if not other:
            return found, False
        if not reason:
            raise InputError(
                Problem(
                    "C250",
                    f"another plan was sealed on {found.day}: {counted(len(other), 'setting differs', 'settings differ')}",
                    where="; ".join(other),
                    do="run without --seal: the report then says what departs from the plan. Or seal anew, which keeps the earlier "
                    'seal in the log: --seal --reason "why"',
                )
            )
    event = log.append(
        "seal", study=config.name, version=__version__, code_sha256=code_hash(), plan=plan_of(config), code_lists=lists,
        first_read=_first_read(study, log), reason=reason,
    )  # fmt: skip
    return Seal(event, (*found.earlier, found.event) if found else (), ()), True


def _first_read(study: StudyFolder, log: PlanLog) -> str | None:
    """When a run of the study first read the outcomes, as far as its folder tells: the log, the runs, and the index of runs that are gone."""
    times = [event.time for event in log.events() if event.kind == "read"]
    times += [str(run.manifest["times"].get("started") or run.manifest["times"]["finished"]) for run in study.runs()]
    index = study.path / "index.csv"
    if index.is_file():
        with index.open(encoding="utf-8", newline="") as lines:
            times += [row["finished"] for row in csv.DictReader(lines) if row.get("finished")]
    return min(times, default=None)


def accept_lists(study: StudyFolder, seal: Seal, config: RunConfig, reason: str | None) -> Seal:
    """The seal under which a run may go on: code lists that changed need a reason, once. InputError (C251) without one."""
    now = lists_of(config)
    changed = seal.changed_lists(now)
    if not changed:
        return seal
    if reason is None:
        raise InputError(*(_other_list(name, seal, config) for name in changed))
    event = PlanLog.beside(study.path).append("accept", code_lists=now, changed=changed, reason=reason)
    return replace(seal, accepted=(*seal.accepted, event))


def _other_list(name: str, seal: Seal, config: RunConfig) -> Problem:
    if name == OWN_CODE_LIST:
        what, where = "the study's own code list", f"{name}: {config.counting.code_list or NOT_SET}"
    else:
        what, where = (
            f"the code list {name}",
            f"shipped with aaot-eval {__version__}; sealed with {seal.event.facts['version']}",
        )
    return Problem(
        "C251",
        f"{what} is not the one that was sealed on {seal.day}",
        where=where,
        do='put back the list that was sealed, or say why it changed: analyze --accept-codelist-change "why"; the report prints the reason',
    )


def begin_reading(study: StudyFolder, seal: Seal, config: RunConfig, run_sha256: str) -> dict[str, Any]:
    """Log that a run is about to read the outcomes, before it does; returns how the run stands to the plan (`Seal.about`)."""
    PlanLog.beside(study.path).append("read", run_sha256=run_sha256)
    return seal.about(config)


def log_run(study: StudyFolder, run: RunFolder) -> None:
    """Log a run of a sealed study that is about to take its place."""
    PlanLog.beside(study.path).append(
        "run",
        run=run.manifest["run"],
        manifest_sha256=file_sha256(run.path / "manifest.json"),
        data_cut=run.manifest["data_cut"],
        departures=[departure["key"] for departure in run.manifest["plan"]["departures"]],
    )


def seal_problems(run: RunFolder) -> list[Problem]:
    """What is wrong with the log of a sealed run: gone, broken, or without this run; empty for a run that no plan was sealed for.

    A release has no log: what it says of the plan stands among its pages.
    """
    plan, log = run.manifest.get("plan"), PlanLog.beside(run.path.resolve().parent)
    events, broken = log.chain()
    # A run that says nothing of a plan, and that the log knows, had one.
    logged = {event.facts["run"] for event in events if event.kind == "run"}
    if run.manifest.get("released") or (not plan and run.manifest["run"] not in logged):
        return []
    if not log.path.is_file():
        return [
            Problem("V650", f"{PLAN_LOG} is not beside the run, which was made under a sealed plan", where=str(log.path),
                    do="ask for the file and put it into the folder that holds the run's folder")
        ]  # fmt: skip
    if broken:
        return [log.broken_at(broken)]
    there = {(e.kind, e.sha256) for e in events}
    there |= {("made", e.facts["manifest_sha256"]) for e in events if e.kind == "run"}
    wanted = {("made", file_sha256(run.path / "manifest.json")): "the run with this manifest.json"}
    if plan:
        wanted[("seal", plan["sha256"])] = f"the seal of {plan['sealed'][:10]} that it was made under"
        wanted[("read", plan["log_line"])] = "its reading of the outcomes"
    missing = [said for key, said in wanted.items() if key not in there]
    if not missing:
        return []
    return [
        Problem("V652", f"{PLAN_LOG} does not know this run: {' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not in it",
                where=f"{log.path}, {counted(len(events), 'line')}", do="ask for the log as it was after the run; do not rely on the seal")
    ]  # fmt: skip
