"""What a search cannot do, told before anything runs."""

from __future__ import annotations

import importlib.util

from lib.errors import UserError
from lib.plan.points import space_of
from lib.study.recipe import Recipe
from lib.study.schema import Study
from lib.study.search import Range


def check_search(study: Study) -> None:
    """Raises:
    UserError: settings of the study that do not go with its search.
    """
    sweep, method = study.sweep, study.sweep.search.method
    if method == "grid":
        return
    if study.goal is not None:
        raise UserError(
            f"goal has a search of its own, over budgets, and sweep.search is {method}: leave one of them out"
        )
    if not sweep.search.adaptive:
        return
    for name, values in (("draw", sweep.draw), ("seed", sweep.seed)):
        if len(values) > 1:
            raise UserError(
                f"sweep.{name} has {len(values)} values, and method {method} would choose the luckiest: give one, and run the "
                "best with others"
            )
    if sweep.study_axes:
        raise UserError(
            f"axis {next(iter(sweep.study_axes))!r}: method {method} searches strategies, budgets and the recipe: leave it "
            "out, or use method: random"
        )
    if method == "optuna" and importlib.util.find_spec("optuna") is None:
        raise UserError(
            "sweep.search: optuna needs the package optuna: uv pip install -c constraints-cpu.txt -e '.[cpu,search]' (on a GPU "
            "machine: gpu in both places)"
        )
    if all(not isinstance(values, Range) and len(values) < 2 for values in space_of(sweep).values()):
        raise UserError(
            f"method {method} has nothing to choose from: give an axis of the sweep several values, or a range"
        )
    gpus, engine = study.cluster.max_gpus, study.evaluate.engine.tensor_parallel
    if isinstance(gpus, int) and 0 < gpus < study.train.workers + engine:
        raise UserError(
            f"method {method} trains on {study.train.workers} GPUs and answers on {engine} beside them, and cluster.max_gpus is "
            f"{gpus}: give {study.train.workers + engine}, or use method: random, which does one after the other"
        )
    at_once = sweep.max_concurrent
    if at_once and isinstance(gpus, int) and 0 < gpus < at_once * study.train.workers + engine:
        raise UserError(
            f"sweep.max_concurrent {at_once} x train.workers {study.train.workers} and an engine of {engine} take "
            f"{at_once * study.train.workers + engine} GPUs and cluster.max_gpus is {gpus}: lower one or raise the other"
        )


def check_looks(recipe: Recipe, method: str) -> None:
    """Raises:
    UserError: a recipe whose weights cannot be looked at on the way, which `asha` does.
    """
    if method == "asha" and recipe.ema is not None and recipe.ema.space == "delta":
        raise UserError(
            "method asha looks at a cell on its way, and ema.space: delta has its form at the end alone: use space: factors, or "
            "method: optuna"
        )
