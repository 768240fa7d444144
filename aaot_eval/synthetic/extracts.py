"""Writes the extracts site by site and keeps count of what is in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from aaot_eval.results import generator
from aaot_eval.synthetic.columns import year_label
from aaot_eval.synthetic.files import RowsByFile, period_of
from aaot_eval.synthetic.layouts import DEFAULTS, Writing, layouts
from aaot_eval.synthetic.records import Scene, Written, attendance_rows, episode_rows
from aaot_eval.synthetic.service import Effect
from aaot_eval.synthetic.world import (
    ALCOHOL,
    EMERGENCIES,
    Attendances,
    Calendar,
    Ints,
    Mask,
    Site,
    SiteWorld,
    Stays,
    draw_background,
    joined,
)
from aaot_eval.synthetic.worlds import Recording

CHUNK = 60_000
KEYS_PER_SITE = 10**12
FURTHER_KEYS = 5 * 10**11


class YearFiles:
    """One CSV file per financial year, opened when its first row comes."""

    def __init__(self, folder: Path, stem: str) -> None:
        self._folder, self._stem = folder, stem
        self._open: dict[int, tuple[BinaryIO, pacsv.CSVWriter]] = {}
        self.rows = 0

    def write(self, written: Written) -> None:
        """Puts each row into the file of its year."""
        for year in np.unique(written.year):
            part = written.table.filter(pa.array(written.year == year))
            self._writer(int(year), part.schema).write_table(part)
            self.rows += part.num_rows

    def _writer(self, year: int, schema: pa.Schema) -> pacsv.CSVWriter:
        if year not in self._open:
            file = (self._folder / f"{self._stem}_{year_label(year)}.csv").open("wb")
            # The writer would put the header's names in quotes, which HES extracts do not.
            file.write((",".join(schema.names) + "\n").encode())
            options = pacsv.WriteOptions(include_header=False, quoting_style="none", batch_size=8192)
            self._open[year] = file, pacsv.CSVWriter(file, schema, write_options=options)
        return self._open[year][1]

    def __enter__(self) -> YearFiles:
        return self

    def __exit__(self, *_: object) -> None:
        for file, writer in self._open.values():
            writer.close()
            file.close()


class LaidOutFiles:
    """The files of one table in another layout or dialect than the default."""

    def __init__(self, folder: Path, stem: str, given_as: str, writing: Writing) -> None:
        self._given_as, self._writing = given_as, writing
        layout = writing.chosen.get(given_as, layouts()[DEFAULTS[given_as]])
        self._files = RowsByFile(folder, stem, writing.dialect, None if writing.only_held else layout)

    @property
    def rows(self) -> int:
        """Rows so far."""
        return self._files.rows

    def write(self, written: Written) -> None:
        """Puts each row into the file of its year or month."""
        ends = written.table.column("EPIEND" if self._given_as == "admissions" else "ARRIVAL_DATE").to_pylist()
        labels = [
            period_of(self._writing.dialect, None if day is None else str(day), year_label(int(year)))
            for day, year in zip(ends, written.year, strict=True)
        ]
        self._files.add(self._writing.cells(written.table, self._given_as), labels)

    def __enter__(self) -> LaidOutFiles:
        return self

    def __exit__(self, *_: object) -> None:
        self._files.close()


@dataclass(slots=True)
class Ledger:
    """What the extracts hold: true counts by site and month (`series`), rows by fault (`dirt`), and totals (`counts`)."""

    series: dict[str, Ints]
    dirt: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class _Batch:
    """Stays and attendances of one site that are written together, and which of them happen."""

    purpose: str
    site: Site
    stays: Stays
    keep: Mask
    attendances: Attendances
    keep_attendances: Mask
    first_key: int


def write_extracts(
    folder: Path,
    scene: Scene,
    worlds: Sequence[SiteWorld],
    stays: Stays,
    effect: Effect,
    notify: Callable[[str], None],
    writing: Writing | None = None,
    recording: Recording | None = None,
) -> Ledger:
    """All episodes (`apc_<year>.csv`) and attendances (`ed_<year>.csv`), a chunk at a time; returns their counts."""
    names = ("alcohol_specific_emergency", "non_alcohol_emergency", "ed_attendances")
    recording = recording or Recording((), scene.seed, scene.sites, scene.calendar, None, 1.0)
    ledger = Ledger({name: np.zeros((len(scene.sites), scene.calendar.months), dtype=np.int64) for name in names})
    with (
        _files(folder, "apc", "admissions", writing) as episodes,
        _files(folder, "ed", "attendances", writing) as attendances,
    ):
        for happened in _batches(scene, worlds, stays, effect, notify):
            batch = _recorded(happened, recording)
            _record(ledger, batch, scene.calendar)
            for low in range(0, len(batch.stays), CHUNK):
                part = np.arange(low, min(low + CHUNK, len(batch.stays)))
                rng = generator(scene.seed, batch.purpose, batch.site.index, low)
                key = batch.first_key + low * 40
                written = episode_rows(rng, batch.stays.take(part), batch.keep[part], scene, key)
                ledger.dirt += written.dirt
                episodes.write(written)
            for low in range(0, len(batch.attendances), CHUNK):
                part = np.arange(low, min(low + CHUNK, len(batch.attendances)))
                rng = generator(scene.seed, batch.purpose, "attendances", batch.site.index, low)
                key, keep = batch.first_key + low, batch.keep_attendances[part]
                attendances.write(attendance_rows(rng, batch.attendances.take(part), keep, scene, key))
        ledger.counts |= {"episode_rows": episodes.rows, "attendance_rows": attendances.rows}
    return ledger


def _files(folder: Path, stem: str, given_as: str, writing: Writing | None) -> YearFiles | LaidOutFiles:
    if writing is None or not (given_as in writing.chosen or writing.dialect - {"xlsx"}):
        return YearFiles(folder, stem)
    return LaidOutFiles(folder, stem, given_as, writing)


def _batches(
    scene: Scene,
    worlds: Sequence[SiteWorld],
    stays: Stays,
    effect: Effect,
    notify: Callable[[str], None],
) -> Iterator[_Batch]:
    removed = np.zeros(len(stays), dtype=bool)
    removed[effect.removed] = True
    further = effect.possible.take(effect.added)
    done = 0
    for site, world in zip(scene.sites, worlds, strict=True):
        notify(f"Writing the records of {site.code}")
        others, visits = draw_background(scene.seed, site, len(scene.sites), scene.calendar)
        of_site = joined([world.stays, others])
        keep = np.ones(len(of_site), dtype=bool)
        keep[: len(world.stays)] = ~removed[done : done + len(world.stays)]
        done += len(world.stays)
        yield _batch("rows", site, of_site, keep, [world.attendances, visits], 0)
        here = further.take(further.site == site.index)
        yield _batch("further rows", site, here, np.ones(len(here), dtype=bool), [], FURTHER_KEYS)


def _batch(purpose: str, site: Site, stays: Stays, keep: Mask, walk_ins: Sequence[Attendances], offset: int) -> _Batch:
    """Stays with the attendances they came through: a stay that does not happen takes its attendance with it."""
    entries = stays.take(stays.through_ed)
    here = len(entries)
    admitted = Attendances(
        entries.person, entries.site, entries.start, np.ones(here, dtype=bool), entries.kind == ALCOHOL
    )
    attendances = Attendances.joined([admitted, *walk_ins])
    keep_attendances = np.ones(len(attendances), dtype=bool)
    keep_attendances[:here] = keep[stays.through_ed]
    return _Batch(purpose, site, stays, keep, attendances, keep_attendances, site.index * KEYS_PER_SITE + offset)


def _recorded(batch: _Batch, recording: Recording) -> _Batch:
    """The batch as it comes into the records: codes, sites and months as the worlds of the study leave them."""
    stays, seen, visits = recording.stays(batch.stays)
    turned = batch.stays.take(visits & batch.keep)
    instead = Attendances.walk_ins(turned.person, 0, turned.start, alcohol=True)
    attendances = Attendances.joined([batch.attendances, replace(instead, site=turned.site)])
    # An attendance that led to a stay which is not in the files is not there either.
    entered = np.concatenate([seen[batch.stays.through_ed], np.ones(len(attendances) - int(batch.stays.through_ed.sum()), dtype=bool)])  # fmt: skip
    attendances, came = recording.attendances(attendances)
    happened = np.concatenate([batch.keep_attendances, np.ones(len(turned), dtype=bool)])
    return replace(batch, stays=stays, keep=batch.keep & seen, attendances=attendances,
                   keep_attendances=happened & entered & came)  # fmt: skip


def _record(ledger: Ledger, batch: _Batch, calendar: Calendar) -> None:
    happens = batch.stays.take(batch.keep)
    alcohol = happens.kind == ALCOHOL
    month = calendar.month_of(happens.start)
    other = np.isin(happens.kind, EMERGENCIES) & ~alcohol
    np.add.at(ledger.series["alcohol_specific_emergency"], (happens.site[alcohol], month[alcohol]), 1)
    np.add.at(ledger.series["non_alcohol_emergency"], (happens.site[other], month[other]), 1)
    seen = batch.attendances.take(batch.keep_attendances)
    np.add.at(ledger.series["ed_attendances"], (seen.site, calendar.month_of(seen.day)), 1)
    ledger.counts["stays"] += len(happens)
    ledger.counts["alcohol_specific_emergency_stays"] += int(alcohol.sum())
    ledger.counts["moved_to_another_hospital"] += int((happens.moved_nights > 0).sum())
