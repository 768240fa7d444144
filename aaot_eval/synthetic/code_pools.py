"""The codes that made-up records carry, with weights that are invented: diagnoses, HRGs, ways in and areas."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from aaot_eval.synthetic.world import Floats, Ints

ALCOHOL_CODES: dict[str, float] = {
    "F100": 22, "F101": 12, "F102": 22, "F103": 13, "F104": 3, "F105": 1, "F106": 1.5, "F109": 2, "K700": 1.5, "K701": 2,
    "K703": 7, "K704": 2, "K709": 3, "K292": 2, "K852": 3, "K860": 2, "G312": 1, "G621": 0.7, "I426": 0.5, "E244": 0.1,
    "T510": 1.5,
}  # fmt: skip
BESIDE_ALCOHOL: dict[str, float] = {
    "S099": 14, "S018": 8, "R568": 9, "K922": 7, "K920": 5, "T391": 9, "T424": 4, "T436": 3, "J181": 8, "J440": 4,
    "R074": 6, "R410": 4, "I850": 2, "K729": 3, "L031": 4, "S525": 4, "N390": 4,
}  # fmt: skip
EMERGENCY_CODES: dict[str, float] = {
    "J181": 9, "J440": 7, "N390": 8, "R074": 9, "I500": 5, "I214": 4, "I639": 4, "A419": 5, "K359": 3, "K802": 4,
    "R104": 7, "R55X": 5, "S720": 4, "S525": 4, "L031": 5, "N179": 4, "T391": 3,
}  # fmt: skip
PLANNED_CODES: dict[str, float] = {
    "H269": 14,
    "K409": 8,
    "M179": 9,
    "M169": 8,
    "K802": 8,
    "C509": 6,
    "C189": 5,
    "D125": 12,
    "K210": 10,
    "Z121": 10,
}
REGULAR_CODES: dict[str, float] = {"N185": 70, "Z511": 30}
OTHER_CODES: dict[str, float] = {
    "I10X": 30, "E119": 14, "J449": 10, "I489": 9, "F329": 12, "F419": 9, "Z720": 16, "N183": 6, "I251": 8, "J459": 8,
    "K219": 5, "E780": 8, "M199": 6, "Z867": 7, "Z922": 5, "R296": 4, "W190": 5, "E876": 4, "D649": 5, "G409": 3,
    "Z590": 2, "Z915": 4, "F171": 9, "B182": 2, "M545": 4, "E039": 4, "H919": 2, "R54X": 3, "Z880": 4, "Y95X": 1,
    "E142D": 1, "H360A": 1,
}  # fmt: skip
POOLS: dict[str, dict[str, float]] = {
    "alcohol": ALCOHOL_CODES,
    "dotted": {f"{code[:3]}.{code[3:]}": weight for code, weight in ALCOHOL_CODES.items()},
    "beside": BESIDE_ALCOHOL,
    "emergency": EMERGENCY_CODES,
    "planned": PLANNED_CODES,
    "regular": REGULAR_CODES,
    "other": OTHER_CODES,
    "uncoded": {"R69X": 1.0},
}
FIRST_OF: dict[str, int] = {}
CODES: list[str] = []
for _name, _pool in POOLS.items():
    FIRST_OF[_name] = len(CODES)
    CODES += list(_pool)

NOT_THROUGH_ED = {"22": 45.0, "23": 6.0, "24": 18.0, "25": 6.0, "2D": 25.0}
PLANNED_METHODS = {"11": 70.0, "12": 25.0, "13": 5.0}
METHOD_NAMES = ["21", "2A", *NOT_THROUGH_ED, *PLANNED_METHODS, "2B", "81", "99"]
ETHNIC = {
    "A": 70.0,
    "B": 2.0,
    "C": 5.0,
    "D": 1.0,
    "H": 3.0,
    "J": 3.0,
    "K": 1.0,
    "M": 2.0,
    "N": 3.0,
    "S": 2.0,
    "Z": 7.0,
    "99": 1.0,
}
#: Areas with invented codes, one a site as far as they go, and the shares of people without one and of the next site's area.
AREAS = [f"E069{i:05d}" for i in range(1, 100)]
NO_FIXED_ABODE, LIVES_FURTHER = 0.03, 0.1
DEPRIVATION = [
    "Most deprived 10%", "More deprived 10-20%", "More deprived 20-30%", "More deprived 30-40%", "More deprived 40-50%",
    "Less deprived 40-50%", "Less deprived 30-40%", "Less deprived 20-30%", "Less deprived 10-20%", "Least deprived 10%",
]  # fmt: skip
HRG = {
    "alcohol": {
        "WH04D": 20.0,
        "WH04E": 30.0,
        "GC01F": 12.0,
        "GC01E": 8.0,
        "FD10M": 8.0,
        "AA26H": 8.0,
        "WJ03G": 6.0,
        "WH07G": 8.0,
    },
    "emergency": {
        "DZ11V": 15.0,
        "DZ65K": 12.0,
        "EB07E": 10.0,
        "EB12C": 10.0,
        "LA04S": 15.0,
        "FD10M": 15.0,
        "AA35F": 8.0,
        "WJ03G": 15.0,
    },
    "planned": {"BZ34C": 20.0, "HN22E": 15.0, "FF62D": 15.0, "FE32Z": 30.0, "GA10K": 20.0},
    "regular": {"LD05A": 1.0},
}

# SNOMED CT concepts of ECDS: where the attendance ended, and that alcohol was involved.
SENT_HOME, WARD, OTHER_HOSPITAL, ETHANOL = "306689006", "306706006", "19712007", "419442005"
#: Times of the day, to the minute.
CLOCK = [f"{minute // 60:02d}:{minute % 60:02d}:00" for minute in range(1440)]
SPECIALTIES = ["300", "180", "301", "326", "100", "110", "361", "370", "130"]
HRG_NAMES = [code for pool in HRG.values() for code in pool]


def weighted(u: Floats, pool: Mapping[str, float]) -> Ints:
    """Positions in the pool, drawn by weight from uniform numbers."""
    edges = np.cumsum(list(pool.values()))
    return np.asarray(np.searchsorted(edges / edges[-1], u, side="right").clip(0, len(pool) - 1), dtype=np.int64)
