"""What to do where a study has a goal: the smallest budget that was shown to meet it, or why there is none.

A search has already decided, for each strategy and recipe, with stated confidence and on runs that its choice did not see
(`lib.goal.search`). So nothing is weighed here: of what meets the goal the smallest budget is taken, then the safest arm, and
without any there is no arm to recommend, however good one may look in the table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from lib.goal.verdict import GoalVerdict
from lib.reporting.sentences import arm_words
from lib.statistics.means import Mean

GOAL_RULE = (
    "How it is chosen: of the strategies and recipes with a budget that was shown to meet the study's goal, the one with the "
    "smallest such budget, then the safest."
)

Place = tuple[str, str]
"""Strategy and swept recipe values."""


def chosen_by_goal(
    verdicts: Mapping[Place, GoalVerdict], means: Sequence[Mean], safety: tuple[str, str]
) -> tuple[Place, int] | None:
    """The arm to take (strategy and recipe, budget); None where no budget was shown to meet the goal."""
    met = {place: verdict.reached for place, verdict in verdicts.items() if verdict.reached is not None}

    def level(place: Place) -> float:
        arm = (*place, met[place])
        own = [m.value for m in means if (m.strategy, m.recipe, m.budget) == arm and (m.metric, m.judge) == safety]
        return fmean(own) if own else float("inf")

    if not met:
        return None
    first = min(met, key=lambda place: (met[place], level(place)))
    return first, met[first]


def says_met(verdicts: Mapping[Place, GoalVerdict], place: Place) -> str:
    """Why this arm, and what else meets the goal."""
    strategy, recipe = place
    verdict = verdicts[place]
    said = f"Take {arm_words(strategy, verdict.reached or 0, recipe)}: {verdict.why}."
    others = [
        f"{arm_words(s, one.reached, r)}"
        for (s, r), one in verdicts.items()
        if one.reached is not None and (s, r) != place
    ]
    if others:
        said += f" The goal is also met by {', '.join(others)}."
    return said


def says_missed(verdicts: Mapping[Place, GoalVerdict]) -> str:
    """Why there is none, strategy by strategy: not reached (every budget was shown to miss it), or undecided."""
    shown = all(one.status == "not reached" for one in verdicts.values())
    head = "No budget meets the goal" if shown else "No budget was shown to meet the goal"
    reasons = "; ".join(f"{arm_words(strategy, 0, recipe)}: {one.why}" for (strategy, recipe), one in verdicts.items())
    return f"{head}, so none is recommended: {reasons}."


def searches_caution(verdicts: Mapping[Place, GoalVerdict]) -> list[str]:
    """The confidence is of one search at a time."""
    if len(verdicts) < 2:
        return []
    return [
        f"The confidence is that of each of the {len(verdicts)} searches by itself, and not of all of them together."
    ]
