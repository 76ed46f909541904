"""The smallest budget that meets the goal, with few training runs.

    screen    one run of every budget, a second one (from six draws on) where the first is not clearly over a limit
    choose    from the screen alone, two chains of budgets (`lib/goal/screen.py`), with 80% and 20% of the error
    test      along a chain, on runs that no screen has seen: the next budget only if the one before was accepted
    answer    the smallest accepted budget; if there is none, more runs for all, to show that every budget misses

`SmallestBudget` is what a driver holds; the steps themselves are in `lib/goal/replay.py`.

**What is controlled.** The budget that is returned misses the goal with a chance of at most 1 - confidence:

* *Over budgets.* Fresh runs make a test valid whatever the screen did (data splitting: Cox 1975). Along a chain every test
  has the chain's whole level: an error needs the first bad budget of the chain to be accepted, and that is one test
  (Maurer, Hothorn & Lehmacher 1995; for doses Hsu & Berger 1999). The two chains are added up (Bonferroni). Curves need not
  be monotone for any of this; a chain from the largest budget down would be as valid, and would stop at the first bump.
* *Over limits.* A budget is accepted where the bound of every mean keeps its limit, each at the full level
  (intersection-union: Berger 1982).
* *Over looks.* The level is divided among the looks at a test (`lib/goal/bounds.py`).
* "Not reached" is said where every budget was shown to be over some limit, with the level divided among limits and looks
  (any number of runs), and not among budgets: the claim is wrong only if one certain budget was wrongly shown to miss.

All of this is about independent runs. Runs of one draw share their rows and runs of one seed their initialisation, and a
strategy's luck is mostly in its draws: with 4 draws x 4 seeds, or 3 x 5, taken as 16 or 15 runs, 18 to 48% of simulated
studies came out as wrongly "reached" instead of 5%. A driver therefore gives runs that share neither.

Splitting costs a fifth of the draws and saves the correction over budgets: with 8 budgets, sequential bounds on all runs at
level 0.05 / 8 need a clearance of 1.4 run-to-run standard deviations, a chain on 8 of 10 draws one of 1.1 (power 90%, t).

**What it takes.** Never more than half of the grid. It is made for grids of some 4 to 12 budgets x 6 or more draws; with 3 to
5 draws it stays valid and finds only what is clear by many standard deviations; with fewer it asks for nothing and says so.
A run that fails is taken to fail whatever its outcome would have been.

**For a driver.** `ask` runs, `tell` their outcomes, until nothing is asked. All state is what was told: the search is
replayed from the start each time, reads runs by draw and only those that it asked for, and so does not depend on the order
in which runs end. A driver that was killed makes a new object and tells it all stored cells.

Simulated, 8 budgets x 10 draws, limits asr 5% (520 prompts), over-refusal 10% (250), utility drop 2% (`tests/goal/curves.py`):
"near" is within one step of the true smallest budget, sd the run-to-run standard deviation of the two rates apart from the
binomial's; each from beta and from normal runs (at 0.015 normal only, but for the first two rows). Of 400 replicates, or
2,000 where marked.

    curve                                   near: sd 0.01   sd 0.015       share of the grid used, mean / most
    steep (2,000)                           0.99 to 1.00    0.99           0.30 / 0.49
    met at the first budget (2,000)         0.99 to 1.00    0.90 to 0.96   0.33 / 0.50
    at the last; plateau 3 points under; a dip and back; a dip, then again; over-refusal closes the window; 3 points a step
                                            0.99 to 1.00    0.95 to 0.99   0.23 to 0.34 / 0.50
    five budgets 0.5 points over, then 3 under   0.96 to 0.99    0.90           0.40 / 0.50
    all three limits by just 3 points       0.92 to 0.93    0.79           0.33 / 0.49

    misses the goal (2,000)                 sd 0.01         sd 0.02        sd 0.03
    all budgets 0.01 points over            0.010 to 0.014  0.021 to 0.025  0.020 to 0.034
    the last three 0.01 points over         at most 0.017   0.015 to 0.028  0.017 to 0.027

At sd 0.02 a clearance of 3 points is 1.4 standard deviations, and "near" falls to 0.85 to 0.9, at 0.03 to about 0.7: the rest
is "undecided", which is true. Where the next budget clears the limit by more ("steep"), it is 0.97 and 0.82.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from lib.goal.limit import Limit
from lib.goal.replay import Missing, Replay, Run
from lib.goal.verdict import GoalVerdict


class SmallestBudget:
    """The search for one model and strategy.

    Args:
        budgets: rows; in any order.
        draws: repetitions of the study at each budget.
        limits: all have to be kept.
        confidence: of the verdict.
        cells: finished runs that may be used. None: half of the grid; for a single budget, where nothing is searched, all.

    Raises:
        ValueError: no or repeated budgets, no limits, no draws.
    """

    def __init__(
        self,
        budgets: Iterable[int],
        draws: int,
        limits: Sequence[Limit],
        confidence: float = 0.95,
        cells: int | None = None,
    ) -> None:
        budgets = list(budgets)
        if not budgets or len(set(budgets)) != len(budgets) or draws < 1 or not limits or not 0 < confidence < 1:
            raise ValueError(
                f"budgets {budgets}, draws {draws}, {len(limits)} limits, confidence {confidence}: "
                "distinct budgets, a draw, a limit and a confidence between 0 and 1 are needed"
            )
        self.budgets = tuple(sorted(budgets))
        self.draws = draws
        self.limits = tuple(limits)
        self.level = 1 - confidence
        self.grid = len(budgets) * draws
        self.cells = min(self.grid, cells if cells is not None else self.grid // (2 if len(budgets) > 1 else 1))
        self.told: dict[int, dict[int, tuple[float, ...] | None]] = {budget: {} for budget in self.budgets}

    @property
    def too_small(self) -> bool:
        """Whether the grid leaves no two fresh runs for a test, so that no run could change the verdict."""
        screening = len(self.budgets) if len(self.budgets) > 1 else 0
        return min(self.draws - bool(screening), self.cells - screening) < 2

    def ask(self) -> list[Run]:
        """The runs that are needed next, all at once if you like; empty when the verdict is there."""
        try:
            Replay(self).status()
        except Missing as missing:
            return missing.runs
        return []

    def tell(self, run: Run, outcome: Mapping[str, float] | None) -> None:
        """A run's value for every limit's metric; None for a run that failed, whose place another draw takes.

        Runs may be told in any order, and without having been asked for: only those that are asked for count.

        Raises:
            ValueError: no run of this grid, a metric that is missing or not finite, or another outcome than told before.
        """
        run = Run(*run)
        if run.budget not in self.budgets or not 0 <= run.draw < self.draws:
            raise ValueError(f"{run} is not in the grid of budgets {list(self.budgets)} and {self.draws} draws")
        values = None
        if outcome is not None:
            values = tuple(float(outcome.get(limit.metric, math.nan)) for limit in self.limits)
            if not all(map(math.isfinite, values)):
                raise ValueError(f"{run}: {dict(outcome)} lacks one of {[limit.metric for limit in self.limits]}")
        before = self.told[run.budget].setdefault(run.draw, values)
        if before != values:
            raise ValueError(f"{run} was told {before} before, and now {values}")

    def verdict(self) -> GoalVerdict:
        """What the runs told so far show.

        Raises:
            LookupError: runs are missing that `ask` names.
        """
        search = Replay(self)
        return search.say(search.status())
