"""Deprivation fifths from the words of HES and from Scotland's quintile; a number whose direction is unknown is not read."""

from __future__ import annotations

from pathlib import Path

import pyarrow.csv as pv
import pytest

from aaot_eval.config import load_config
from aaot_eval.pipeline import prepare
from aaot_eval.results import Panel
from aaot_eval.synthetic import simulate_study

STUDY = {"scenario": "null", "seed": 3, "sites": 4, "size": 0.05}


def panel_of(folder: Path) -> Panel:
    return prepare(load_config(folder / "study.toml"), work=folder / "work").panel


def share_of_fifths(panel: Panel) -> dict[int, float]:
    assert panel.people is not None
    return panel.people["deprivation"].value_counts(normalize=True).to_dict()


@pytest.fixture(scope="module")
def hes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hes")
    simulate_study(folder, **STUDY)
    return folder


def test_words_become_fifths_one_being_the_most_deprived(hes: Path) -> None:
    found = share_of_fifths(panel_of(hes))
    assert set(found) == {1, 2, 3, 4, 5}
    # The made-up people live in deprived places more often.
    assert found[1] > found[3] > found[5]


def test_the_scottish_quintile_says_the_same(hes: Path, tmp_path: Path) -> None:
    simulate_study(tmp_path, formats=["smr01"], **STUDY)
    assert share_of_fifths(panel_of(tmp_path)) == share_of_fifths(panel_of(hes))


def test_a_number_in_the_place_of_words_is_not_guessed_at(tmp_path: Path) -> None:
    simulate_study(tmp_path, **STUDY)
    for path in (tmp_path / "extracts").glob("apc_*.csv"):
        table = pv.read_csv(
            path, convert_options=pv.ConvertOptions(column_types=dict.fromkeys(_header(path), "string"))
        )
        place = table.column_names.index("IMD04_DECILE")
        pv.write_csv(table.set_column(place, "IMD04_DECILE", [["3"] * len(table)]), path)
    panel = panel_of(tmp_path)
    assert panel.people is not None
    assert panel.people["deprivation"].isna().all()


def _header(path: Path) -> list[str]:
    return [name.strip('"') for name in path.read_text("utf-8").splitlines()[0].split(",")]
