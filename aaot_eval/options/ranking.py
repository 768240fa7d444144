"""Which option is best, as a probability: asked for, among measured evidence only, and never without its uncertainty."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from aaot_eval.incremental import incremental_ladder, ladder_table
from aaot_eval.options.costing import Pay, entered, finite
from aaot_eval.options.reading import Records
from aaot_eval.options.standing import Standing, net_status
from aaot_eval.results import generator

CHANCE_Z = 1.6448536269514722  # a normal number exceeds it with probability 0.05


@dataclass(frozen=True, slots=True)
class Contender:
    """One option to be ranked: averted pounds for each person a year (point, low, high), cost a year, people (low, base, high).

    `pay`: the staffing lines whose cost is uncertain.
    """

    id: str
    averted: tuple[float, float, float]
    level: float
    cost_year: float
    served: tuple[float, float, float]
    pay: tuple[Pay, ...] = ()


def split_normal(uniform: np.ndarray, point: float, low: float, high: float, level: float) -> np.ndarray:
    """Draws whose median is the point and whose central interval at the level is low to high, with two half-normal sides."""
    z = stats.norm.ppf(uniform)
    reach = stats.norm.ppf((1 + level) / 2)
    return np.asarray(point + np.where(z > 0, high - point, point - low) * z / reach)


def _uniforms(seed: int, n: int, *purpose: str) -> np.ndarray:
    """n stratified uniform numbers in a shuffled order, as in the loop of costs."""
    return generator(seed, "options", *purpose).permutation((np.arange(n) + 0.5) / n)


def net_draws(contender: Contender, seed: int, n: int) -> np.ndarray:
    """n draws of the net saving a year in pounds: people x averted - cost. The range of caseload counts as a 95 % range.

    Pay is gamma by mean and standard error, and the same draw for a role in every option: what a nurse costs is one unknown.
    """
    averted = split_normal(_uniforms(seed, n, contender.id, "effect"), *contender.averted, contender.level)
    low, base, high = contender.served
    people = split_normal(_uniforms(seed, n, contender.id, "people"), base, low, high, 0.95)
    cost = np.full(n, contender.cost_year)
    for line in contender.pay:
        if line.std_error > 0:
            shape = (line.value / line.std_error) ** 2
            uniform = _uniforms(seed, n, "pay", line.role.casefold())
            cost += stats.gamma.ppf(uniform, shape, scale=line.value / shape) - line.value
    return np.asarray(np.maximum(people, 0.0) * averted - cost)


def rank_table(contenders: Sequence[Contender], seed: int, n: int) -> pd.DataFrame:
    """One row an option: p_best, p_rank_1 ..., p_beats_reference, mean net saving a year with its 95 % interval.

    Ties share their ranks evenly. Columns: option, p_best, p_beats_reference, net, net_low, net_high, learn, study, p_rank_k.
    `learn`: pounds a year that certainty about this option alone would be worth (partial expected value of perfect
    information, doing nothing included). `study`: see `smallest_study`.
    """
    if not contenders:
        return pd.DataFrame(
            columns=["option", "p_best", "p_beats_reference", "net", "net_low", "net_high", "learn", "study"]
        )
    net = np.column_stack([net_draws(c, seed, n) for c in contenders])
    ranks = rank_shares(net)
    means = net.mean(axis=0)
    rows = []
    for i, contender in enumerate(contenders):
        others = max([0.0, *np.delete(means, i)])
        rows.append(
            {
                "option": contender.id,
                "p_best": ranks[i, 0],
                "p_beats_reference": float(np.mean(net[:, i] > 0) + 0.5 * np.mean(net[:, i] == 0)),
                "net": float(means[i]),
                "net_low": float(np.quantile(net[:, i], 0.025)),
                "net_high": float(np.quantile(net[:, i], 0.975)),
                "learn": float(np.maximum(net[:, i], others).mean() - max(0.0, means.max())),
                "study": smallest_study(float(means[i]) - others, float(net[:, i].std())),
                **{f"p_rank_{k + 1}": ranks[i, k] for k in range(len(contenders))},
            }
        )
    return pd.DataFrame(rows)


def smallest_study(gap: float, spread: float) -> float:
    """The smallest further study with a chance of 5 % to move this option past the best other (or doing nothing).

    In multiples of the information behind the present interval: a study of size f moves the mean by a normal amount of
    standard deviation spread x sqrt(f / (1 + f)). NaN when no study can.

    >>> round(smallest_study(1.0, 1.0), 3)
    0.586
    """
    needed = abs(gap) / (CHANCE_Z * spread) if spread > 0 else math.inf
    return needed**2 / (1 - needed**2) if needed < 1 else math.nan


def rank_shares(values: np.ndarray) -> np.ndarray:
    """Shares of draws (rows) in which each option (column) takes each rank, the largest value first; ties share evenly.

    >>> rank_shares(np.array([[2.0, 1.0], [1.0, 1.0]])).tolist()
    [[0.75, 0.25], [0.25, 0.75]]
    """
    n, k = values.shape
    above = (values[:, None, :] > values[:, :, None]).sum(axis=2)
    tied = (values[:, None, :] == values[:, :, None]).sum(axis=2)
    out = np.zeros((k, k))
    for rank in range(k):
        out[:, rank] = np.where((above <= rank) & (rank < above + tied), 1.0 / tied, 0.0).sum(axis=0) / n
    return out


def scoring_table(
    options: Sequence[str],
    weights: Sequence[tuple[float, float]],
    scores: np.ndarray,
    seed: int,
    n: int,
) -> pd.DataFrame:
    """Rank acceptability of weighted scores: weights and scores drawn evenly from their ranges; money is no criterion.

    `scores`: options x criteria x (low, high). Columns: option, score_low, score_high, p_rank_1 ...
    """
    drawn = np.column_stack(
        [low + (high - low) * _uniforms(seed, n, "weight", str(j)) for j, (low, high) in enumerate(weights)]
    )
    drawn = drawn / drawn.sum(axis=1, keepdims=True)
    totals = np.zeros((n, len(options)))
    for i, option in enumerate(options):
        for j in range(len(weights)):
            low, high = scores[i, j]
            totals[:, i] += drawn[:, j] * (low + (high - low) * _uniforms(seed, n, "score", option, str(j)))
    ranks = rank_shares(totals)
    return pd.DataFrame(
        [
            {
                "option": option,
                "score": float(totals[:, i].mean()),
                "score_low": float(np.quantile(totals[:, i], 0.025)),
                "score_high": float(np.quantile(totals[:, i], 0.975)),
                **{f"p_rank_{k + 1}": ranks[i, k] for k in range(len(options))},
            }
            for i, option in enumerate(options)
        ]
    )


def rankings(standings: list[Standing], records: Records) -> dict[str, pd.DataFrame]:
    """Probability of each rank within a population, among M and E with an interval; the rest with the reason."""
    parts, rest = [], []
    for name in dict.fromkeys(s.population.name for s in standings):
        contenders = []
        for s in (s for s in standings if s.population.name == name):
            ready = s.evidence.may_rank and finite((s.costs.year, *s.reach.served))
            if ready:
                contenders.append(
                    Contender(
                        s.option.id, s.evidence.averted, s.evidence.level, s.costs.year, s.reach.served, s.costs.pay
                    )
                )
            elif not s.option.reference:
                rest.append((s.option.id, s.evidence.badge, net_status(s)))
        if contenders:
            parts.append(rank_table(contenders, records.shared.seed, records.shared.draws).assign(population=name))
    ranking = pd.concat(parts, ignore_index=True) if parts else rank_table([], 0, 1).assign(population="")
    ranking.insert(1, "population", ranking.pop("population"))
    not_ranked = pd.DataFrame(rest, columns=["option", "badge", "why"])
    return {"ranking": ranking, "not_ranked": not_ranked, "ladder": _ladder(standings)}


def _ladder(standings: list[Standing]) -> pd.DataFrame:
    """The incremental ladder of each population: what each further admission avoided costs, at the estimates.

    Doing nothing and the options that may be ranked, as alternatives to each other. Cost is net of the admissions averted, so an
    option that saves dominates; without the number of admissions under care as usual there is no ladder.
    """
    parts = []
    reference = next(s.option.id for s in standings if s.option.reference)
    for name in dict.fromkeys(s.population.name for s in standings):
        known = {}
        for s in (s for s in standings if s.population.name == name and s.evidence.may_rank and not s.option.reference):
            averted = s.evidence.averted[0] * s.reach.served[1]
            figures = (s.costs.year - averted, averted / s.usual * entered(s.population.admissions))
            if finite(figures):
                known[s.option.id] = figures
        if known:
            parts.append(ladder_table(incremental_ladder({reference: (0.0, 0.0), **known})).assign(population=name))
    table = pd.concat(parts, ignore_index=True) if parts else ladder_table([]).assign(population="")
    table.insert(1, "population", table.pop("population"))
    return table


def scorings(records: Records) -> pd.DataFrame | None:
    """O6: only when every criterion has its weights and every option but the reference all its scores."""
    criteria = records.shared.criteria
    scored = [o for o in records.options if o.scores]
    if not criteria or not scored or any(c.weight_low is None or c.weight_high is None for c in criteria):
        return None
    complete, values = [], []
    for option in scored:
        by = {s.criterion: (s.low, s.high) for s in option.scores}
        ends = [by.get(c.name, (None, None)) for c in criteria]
        if all(end is not None for pair in ends for end in pair):
            complete.append(option.id)
            values.append(ends)
    if not complete:
        return None
    weights = [(float(c.weight_low or 0), float(c.weight_high or 0)) for c in criteria]
    return scoring_table(complete, weights, np.array(values, dtype=float), records.shared.seed, records.shared.draws)
