"""One pass of the search over what was told, from the start to where a run is missing. `lib/goal/search.py` argues it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lib.goal import screen
from lib.goal.bounds import deviation, looks, lower, share, upper
from lib.goal.limit import Limit
from lib.goal.verdict import Estimate, GoalVerdict, Status, in_words

if TYPE_CHECKING:
    from lib.goal.search import SmallestBudget

TWO_RUNS_FROM = 6
"""From this many draws on, every budget that is not clearly over a limit is screened by two runs."""
HOPELESS = 1.0
"""A test ends half way when a mean is this many standard errors over its limit."""


TOO_SMALL = (
    "undecided: the grid is too small for a test on runs that the choice of the budget did not see; add draws or seeds"
)


class Run(NamedTuple):
    """One training run of a strategy: a cell, for this search."""

    budget: int
    draw: int
    """Which of the study's repetitions, 0, 1, ...: its draws or its seeds, without those that repeat an equal cell; of several
    draws x several seeds, pairs that share neither."""


class Missing(LookupError):
    """The search cannot go on without these runs."""

    def __init__(self, runs: list[Run]) -> None:
        super().__init__(f"{len(runs)} runs are missing, {runs[0]} the first: `ask` names them")
        self.runs = runs


def excess(values: np.ndarray, limit: Limit) -> float:
    """How many standard errors the mean of two or more runs is over the limit."""
    over = float(values.mean()) - limit.at_most
    error = deviation(values, limit) / math.sqrt(len(values))
    return over / error if error else math.copysign(math.inf, over) if over else 0.0


class Replay:
    """A search and what it reads. Budgets are positions here, in ascending order."""

    def __init__(self, of: SmallestBudget) -> None:
        self.of = of
        self.positions = range(len(of.budgets))
        self.told = list(of.told.values())
        self.finished = [
            np.array([told[draw] for draw in sorted(told) if told[draw] is not None]).reshape(-1, len(of.limits))
            for told in self.told
        ]
        """By budget, float64 [runs, limits]: the runs that did not fail, by draw. They count when they are needed."""
        self.start = 0
        """How many draws the choice of what to test has seen, at some budget. Tests use later draws at all budgets, since
        equal draws and seeds of neighbouring budgets may go well together."""
        self.read = dict.fromkeys(self.positions, 0)
        """How many runs of a budget count as used."""
        self.tested: dict[int, float] = {}
        """The level that each tested budget's bounds were taken at."""
        self.around = np.full(len(of.limits), math.inf)
        """float64 [limits]: the run-to-run standard deviation in the screen."""
        self.accepted: int | None = None

    @property
    def left(self) -> int:
        """How many more runs may be used."""
        return self.of.cells - sum(self.read.values())

    def runs(self, at: int, start: int = 0) -> np.ndarray:
        """float64 [runs, limits] of a budget that count as used, without the first `start`."""
        return self.finished[at][start : self.read[at]]

    def need(self, counts: Mapping[int, int]) -> bool:
        """Have the first so many finished runs of budgets, or as many as there are; False if there are no cells left for it.

        Raises:
            Missing: some of them were not told yet.
        """
        more = sum(max(0, count - self.read[at]) for at, count in counts.items())
        if more > self.left:
            return False
        missing = []
        for at, count in counts.items():
            told, have = self.told[at], 0
            for draw in range(self.of.draws):
                if have >= count:
                    break
                if draw not in told:
                    missing.append(Run(self.of.budgets[at], draw))
                have += draw not in told or told[draw] is not None
        if missing:
            raise Missing(missing)
        for at, count in counts.items():
            self.read[at] = max(self.read[at], min(count, len(self.finished[at])))
        return True

    # ------------------------------------------------------------ the three parts

    def status(self) -> Status:
        of, single = self.of, len(self.positions) == 1
        if of.too_small:
            return "undecided"
        chains = [screen.Chain((0,), 1.0)] if single else self.screen()
        fresh = min(of.draws - self.start, self.left)
        for chain in chains:
            for at in chain.budgets:
                if at in self.tested or not self.accepts(at, chain.weight * of.level, fresh):
                    break
                self.accepted = at
            if self.accepted is not None:
                return "reached"
        return "not reached" if self.all_missed() else "undecided"

    def screen(self) -> list[screen.Chain]:
        """Few runs of every budget, and what to test for it."""
        of = self.of
        self.need(dict.fromkeys(self.positions, 1))
        alive = [at for at in self.positions if self.read[at]]
        if alive and of.draws >= TWO_RUNS_FROM:
            hopeful = screen.hopeful([self.runs(at) for at in alive], of.limits)
            self.need({alive[at]: 2 for at in hopeful})
        self.start = max(self.read.values())
        fresh = min(of.draws - self.start, self.left)
        if not alive or fresh < 2:
            return []
        self.around = screen.spreads([self.runs(at) for at in alive], of.limits)
        chance = np.zeros(len(self.positions))
        chance[alive] = screen.chances([self.runs(at) for at in alive], of.limits, fresh, of.level)
        return screen.chains(chance, two=self.left >= 2 * fresh)

    def accepts(self, at: int, level: float, fresh: int) -> bool:
        """Test a budget on runs that the screen has not seen."""
        of = self.of
        for count, part in looks(fresh):
            if not self.need({at: self.start + count}):
                return False
            values = self.runs(at, self.start)
            if len(values) < 2:
                return False
            self.tested[at] = level * part
            if all(
                bound <= limit.at_most
                for bound, limit in zip(self.uppers(values, level * part), of.limits, strict=True)
            ):
                return True
            if any(excess(column, limit) > HOPELESS for column, limit in self.columns(values)):
                return False
        return False

    def all_missed(self) -> bool:
        """More runs, evenly, until every budget is shown to be over a limit, or one looks as if it were not."""
        first = 3 if self.of.cells >= 3 * len(self.positions) else 2
        for count in range(first, self.of.draws + 1):
            open_ = [at for at in self.positions if not self.missed(at, first)]
            if not open_:
                return True
            kept = (at for at in open_ if self.read[at] >= first)
            if any(all(excess(*one) <= 0 for one in self.columns(self.runs(at))) for at in kept):
                return False
            if not self.need({at: max(count, self.read[at]) for at in open_}):
                return False
        return all(self.missed(at, first) for at in self.positions)

    def missed(self, at: int, first: int) -> bool:
        """Whether a budget was shown to be over one of the limits, at any number of its runs."""
        values, level = self.runs(at), self.of.level / len(self.of.limits)
        return any(
            lower(column, limit, level * share(count, first)) > limit.at_most
            for count in range(first, len(values) + 1)
            for column, limit in self.columns(values[:count])
        )

    # ------------------------------------------------------------ in numbers and words

    def columns(self, values: np.ndarray) -> list[tuple[np.ndarray, Limit]]:
        return list(zip(values.T, self.of.limits, strict=True))

    def uppers(self, values: np.ndarray, level: float) -> list[float]:
        return [
            upper(column, limit, level, float(around))
            for (column, limit), around in zip(self.columns(values), self.around, strict=True)
        ]

    def estimates(self) -> Iterator[Estimate]:
        for at, budget in enumerate(self.of.budgets):
            tested = at in self.tested
            values = self.runs(at, self.start if tested else 0)
            level = self.of.level * share(len(values), 2)
            bounds = self.uppers(values, self.tested[at] if tested else level)
            for (column, limit), high in zip(self.columns(values) if len(values) else (), bounds, strict=False):
                yield Estimate(
                    budget=budget,
                    metric=limit.metric,
                    runs=len(values),
                    mean=float(column.mean()),
                    low=lower(column, limit, level),
                    high=high,
                    tested=tested,
                )

    def say(self, status: Status) -> GoalVerdict:
        of = self.of
        estimates = tuple(self.estimates())
        reached = None if self.accepted is None else of.budgets[self.accepted]
        used = sum(self.read.values())
        why = in_words(status, reached, estimates, of.limits, 100 * (1 - of.level), f"{used} of {of.grid} runs")
        return GoalVerdict(
            status=status,
            reached=reached,
            why=TOO_SMALL if of.too_small else why,
            estimates=estimates,
            cells=used,
            grid=of.grid,
        )
