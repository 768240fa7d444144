"""What `analyze` does about a sealed plan: seal one, hold a run against it, say how the two compare."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from aaot_eval.cli._options import answer, wrapped
from aaot_eval.errors import Problem, UsageError, counted

if TYPE_CHECKING:
    from aaot_eval.config import RunConfig
    from aaot_eval.console import Terminal
    from aaot_eval.run_folder import Seal, StudyFolder

#: As many settings are named in the line that a run begins with; the report lists all.
MOST_NAMED = 3


def stated(reason: str | None, option: str) -> str | None:
    """A reason without the blanks round it; UsageError when nothing is left."""
    if reason is not None and not reason.strip():
        raise UsageError(Problem("U013", f"{option} says nothing", do=f'write why: {option} "..."'))
    return reason.strip() if reason else None


def seal_only(config: RunConfig, out: Path | None, reason: str | None, beside: dict[str, Any], as_json: bool) -> None:
    """Seal the plan of a study, and say how the seal is kept. `beside` are options of a run, which is none."""
    from aaot_eval.run_folder import PlanLog, StudyFolder, seal_plan

    given = [option for option, value in beside.items() if value]
    if given:
        raise UsageError(
            Problem(
                "U012",
                f"--seal runs nothing, so that {', '.join(given)} cannot be obeyed",
                do="leave out one or the other",
            )
        )
    study = StudyFolder.open((out or config.path(config.output.runs)).resolve(), config.name)
    with study.lock():
        seal, new = seal_plan(study, config, reason or "")
    facts, log = seal.event.facts, PlanLog.beside(study.path).path
    document = {
        "new": new,
        "sealed": seal.event.time,
        "sha256": seal.event.sha256,
        "first_read": facts["first_read"],
        "plan": facts["plan"],
        "code_lists": facts["code_lists"],
        "log": str(log),
    }
    answer("\n".join(_lines(config, seal, new, log)), document, as_json)


def _lines(config: RunConfig, seal: Seal, new: bool, log: Path) -> list[str]:
    facts = seal.event.facts
    when = f"{seal.day} at {seal.event.time[11:16]} UTC"
    held = f"{counted(len(facts['plan']), 'setting')} and {counted(len(facts['code_lists']), 'code list')}"
    if not new:
        return [
            wrapped(f"The plan of {config.name} is sealed already, on {when}, and this config is that plan. Nothing was written."),
            "",
            f"  {seal.event.sha256}",
        ]  # fmt: skip
    first = facts["first_read"]
    late = (
        [f"A run had read the outcomes before, first on {first[:10]}: the seal and every report say so."]
        if first
        else []
    )
    kept = "Give this hash away now, such as into the registration: kept by somebody else, it shows later that the plan is of today."
    return [
        wrapped(f"The plan of {config.name} is sealed on {when}: {held}.", ""),
        *(wrapped(line, "") for line in late),
        "",
        f"  {seal.event.sha256}",
        "",
        wrapped(f"{kept} The seal lies in", ""),
        f"  {log}",
    ]


def held_to(study: StudyFolder, config: RunConfig, terminal: Terminal, accepted: str | None = None) -> Seal | None:
    """The seal that a run is under, once its code lists are those sealed or accepted; None when no plan was sealed."""
    from aaot_eval.run_folder import accept_lists, standing_seal

    found = standing_seal(study)
    seal = accept_lists(study, found, config, accepted) if found else None
    if accepted and seal is found:
        terminal.progress("No code list differs from a sealed one: --accept-codelist-change had nothing to accept.")
    if seal is not None:
        departures = [d["key"] for d in seal.departures(config)]
        more = len(departures) - MOST_NAMED
        named = ", ".join(departures[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
        terminal.progress(
            f"The plan sealed on {seal.day} ({seal.event.sha256[:12]}) is "
            + (f"departed from: {named}" if named else "followed")
        )
    return seal
