"""An appraisal with invented numbers that can be solved by hand, written as files.

Five key workers at £50,000 carry 12 people each: 60 people, £250,000 a year, £4,166.67 for each. Admissions under care as
usual cost £8,000 and number 4 for each person a year, so one costs £2,000 and break-even is 4,166.67 / 8,000 = 52.08 %.
"""

from __future__ import annotations

from pathlib import Path

SHARED = """name = "invented"
price_year = "2024/25"
perspective = "provider"
horizon_years = 1
transfer_factor = 2
[[populations]]
name = "frequent attenders"
eligible = 120
admissions = 4
admission_cost = 8000
price_year = "2024/25"
source = "INVENTED"
"""

REFERENCE = """id = "1"
name = "Do nothing"
reference = true
"""

CONTROLLED = """
[[effects]]
outcome = "admissions"
measure = "rate_ratio"
value = 0.5
low = 0.4
high = 0.625
design = "randomised"
similar_people = true
badge = "E"
source = "INVENTED"
"""

BEFORE_AFTER = """
[[effects]]
outcome = "admissions"
measure = "reduction"
value = 0.3
design = "before_after"
badge = "B"
source = "INVENTED"
"""

THEORY = """
[[effects]]
outcome = "admissions"
design = "theory"
badge = "X"
"""


def option(
    name: str, effect: str = THEORY, *, wte: float = 5, uptake: float = 60, top: str = "", more: str = ""
) -> str:
    """One option of key workers."""
    return f"""id = "{name}"
name = "Option {name}"
{top}
[people]
uptake = {uptake}
months_to_full = 0
[[staffing]]
role = "Key worker"
wte = {wte}
cost_per_wte = 50000
price_year = "2024/25"
source = "INVENTED"
[capacity]
low = 10
base = 12
high = 15
source = "INVENTED"
[fade]
form = "none_after_exit"
start_lag_months = 0
{more}{effect}"""


def write_appraisal(folder: Path, *options: str, shared: str = SHARED, reference: str = REFERENCE) -> Path:
    """The folder with these records."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {"appraisal.toml": shared, "option_0.toml": reference}
    texts |= {f"option_{k}.toml": text for k, text in enumerate(options, start=1)}
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    return folder
