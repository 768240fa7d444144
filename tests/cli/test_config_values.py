"""Values of a config that read as TOML and mean nothing: refused in words, never taken silently."""

from __future__ import annotations

import pytest

from aaot_eval.design import choose_analyses
from aaot_eval.errors import InputError
from aaot_eval.estimators import build_estimator
from aaot_eval.panel import read_panel
from tests.cli.fakes import write_config

HEAD = 'config_version = 1\nname = "s"\n[data]\npanel = "panel.csv"\n'
ROWS = "unit,period,emergency,start\n" + "".join(
    f"S{u},{2018 + t // 12}-{t % 12 + 1:02d},{9 + (7 * t + 3 * u) % 5},{'2020-01' if u == 1 else ''}\n"
    for u in (1, 2, 3, 4)
    for t in range(48)
)
STUDY = HEAD + '[panel]\nstart = "start"\n[study]\noutcome = "emergency"\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HEAD + '[output]\nmemory = "lots"\n', "500MB or 1GB"),
        (HEAD + '[output]\nmemory = "1MB"\n', "at least 100MB"),
        (HEAD + '[study]\nentry_rule = "4 admissions in 600 months"\n', "1 to 60 months"),
        (HEAD + '[study]\nentry_rule = "101 admissions in 12 months"\n', "1 to 100 admissions"),
        (HEAD + "[study]\nphase_in = true\n", "true and false are not values"),
        (HEAD.replace("= 1", "= true"), "true and false are not values"),
        (HEAD.replace('"s"', '"Köln"'), "letters a to z, digits, - and _"),
        (HEAD + '[study]\nspell_rule = "x"\n', "hf, york"),
        (
            HEAD + '[[analyses]]\nname = "a"\nestimator = "its"\nprimary = true\nchecks = []\n',
            "the primary analysis 'a' needs at least one check",
        ),
    ],
)
def test_refused_with_what_is_allowed(tmp_path, text, words):
    with pytest.raises(InputError) as refused:
        write_config(tmp_path, text)
    assert words in str(refused.value)


@pytest.mark.parametrize("memory", ["100MB", "1GB", "1.5 GB", "512MiB"])
def test_memory_that_reads(tmp_path, memory):
    assert write_config(tmp_path, HEAD + f'[output]\nmemory = "{memory}"\n').output.memory == memory


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('stop = "2017-01"', "study.stop = 2017-01 lies outside the data"),
        ('stop = "2031-01"', "study.stop = 2031-01 lies outside the data"),
        ('stop = "2019-06"', "the service stops before it starts: S1"),
        ('left_out = ["2050-01"]', "study.left_out = 2050-01 lies outside the data"),
        ('interruptions = ["1999-01"]', "study.interruptions = 1999-01 lies outside the data"),
        ('interruptions = ["soon"]', "does not read as a month"),
    ],
)
def test_periods_outside_the_data_are_refused(tmp_path, line, words):
    config = write_config(tmp_path, STUDY + line + "\n", panel=ROWS)
    with pytest.raises(InputError) as refused:
        choose_analyses(read_panel(config), config)
    assert words in str(refused.value)


def test_a_period_that_the_study_itself_cuts_off_is_no_fault(tmp_path):
    config = write_config(tmp_path, STUDY + 'last_period = "2020-12"\nleft_out = ["2021-03"]\n', panel=ROWS)
    assert choose_analyses(read_panel(config), config)


def test_interruptions_of_the_study_reach_the_series(tmp_path):
    config = write_config(tmp_path, STUDY + "interruptions = [2019-04-01]\n", panel=ROWS)
    its = next(a for a in choose_analyses(read_panel(config), config) if a.estimator == "its")
    assert its.options["interruptions"] == ("2019-04",)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("its", {"phase_in": "x"}, "a whole number, 0 to 24"),
        ("its", {"slope": 1}, "true or false"),
        ("its", {"units": "each"}, "treated, together"),
        ("its", {"units": 3}, "treated, together"),
        ("its", {"interruptions": "2019-04"}, "a list of texts"),
        ("site_did", {"conf_level": True}, "a number"),
        ("site_did", {"conf_level": 95}, "0.501 to 0.999"),
        ("site_did", {"phase_in": -1}, "0 to 24"),
        ("site_did", {"least_before": 1.5}, "a whole number"),
        ("entry_rule", {"rule_count": "4"}, "a whole number"),
        ("entry_rule", {"follow_up": 0}, "3 to 60"),
        ("own_cohorts", {"control": 3}, "a text"),
    ],
)
def test_settings_of_the_wrong_type_or_size_are_refused(name, options, words):
    with pytest.raises(InputError) as refused:
        build_estimator(name, options)
    assert refused.value.problems[0].code == "C112"
    assert words in refused.value.problems[0].allowed


def test_settings_as_toml_gives_them_are_taken():
    assert build_estimator("its", {"interruptions": ["2019-04"], "conf_level": 0.9}).interruptions == ("2019-04",)
