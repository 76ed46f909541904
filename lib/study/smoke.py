"""The study that is run to see that a study runs: the same models, stages and settings, on a few rows.

What is cut is what costs time and decides no path through the code: rows, prompts, steps, tokens, repetitions. What is not
cut is what fails when it is wrong: models, templates, precision, memory per step (the length of examples, the batch, the
engine's window), strategies, labelers, judges, and every value of an axis that is no plain number. Of axes of numbers the
largest stays, which needs most.

It has a name that no study can have, so that it shares models and whatever else is equal with the study that it stands for
and nothing of it can be taken for a result.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from lib.study.models import Model, OfCell
from lib.study.part import as_list
from lib.study.recipe import Recipe
from lib.study.schema import Benign, Corpus, Source, Study, Track
from lib.study.search import Search
from lib.study.sweep import Sweep

ROWS = 8
"""Safety rows, benign rows, held-out rows and prompts of a set."""
POOL_ROWS = 512
"""Rows of each source of corpus and references: as many as it takes that every strategy finds its kind among them."""
BENIGN_ROWS = 64
"""Rows of each source of the benign set: some are held out, and some may be evaluation prompts."""
STEPS, DELTA_STEPS = 4, 10
"""Optimizer steps; the second where an average of LoRA's product is taken, which no study may do more often."""
EVERY = 2
"""Steps between two checkpoints, averages, looks at the validation rows."""
ANSWER_TOKENS = 32
CLUSTERS = 8
DROPPED = (
    "recipe.epochs", "recipe.steps", "recipe.warmup_steps", "recipe.validation.rows", "recipe.validation.every_n_steps",
    "recipe.ema.every_n_steps", "recipe.ema.start_step", "benign.limit",
)  # fmt: skip
"""Axes over what is cut."""

P = TypeVar("P", bound=Corpus)


def smoke_name(name: str) -> str:
    """The name of a study's smoke run; `~` is in no study's name."""
    return f"{name}~smoke"


def smoke_study(study: Study) -> Study:
    """The same study on few rows; its cells are still all combinations (`lib/plan/cover` picks some)."""
    steps = DELTA_STEPS if _averages_products(study) else STEPS
    evaluate = study.evaluate
    generation = evaluate.generation.model_copy(
        update={"max_tokens": _least(evaluate.generation.max_tokens, ANSWER_TOKENS)}
    )
    prompts = [one.model_copy(update={"limit": _least(one.limit, ROWS)}) for one in evaluate.prompts]
    tasks = [one.model_copy(update={"limit": _least(one.limit, ROWS)}) for one in evaluate.lm_eval]
    return study.model_copy(
        update={
            "name": smoke_name(study.name),
            "corpus": _pool(study.corpus, POOL_ROWS),
            "references": study.references and _pool(study.references, POOL_ROWS),
            "benign": _benign(study.benign),
            "clusters": study.clusters.model_copy(update={"k": _clusters(study.clusters.k)}),
            "models": [_model(one, steps) for one in study.models],
            "sweep": _sweep(study.sweep),
            "recipe": _recipe(study.recipe, steps),
            "train": study.train.model_copy(update={"checkpoint_steps": _least(study.train.checkpoint_steps, EVERY)}),
            "evaluate": evaluate.model_copy(update={"prompts": prompts, "lm_eval": tasks, "generation": generation}),
            "track": Track(),
            "goal": None,
        }
    )


def cut_in_words(study: Study, cells: int, of: int) -> str:
    """What is cut, for the reader.

    Args:
        cells: fine-tunes that are run, of so many.
    """
    steps = DELTA_STEPS if _averages_products(study) else STEPS
    left = [*(["the goal"] if study.goal else []), *(["the search"] if study.sweep.search.method != "grid" else [])]
    left += [*(["trackers"] if study.track != Track() else [])]
    return (
        f"smoke: {cells} of {of} cells, so that every model, strategy and axis value is touched; the first {POOL_ROWS} rows of "
        f"each source, {ROWS} safety and {ROWS} benign rows, {ROWS} prompts a set, {steps} steps, answers of at most "
        f"{ANSWER_TOKENS} tokens; one budget, draw and seed, of number axes the largest value"
        + (f"; without {' and '.join(left)}" if left else "")
    )


def _least(value: int | None, most: int) -> int:
    return most if value is None else min(value, most)


def _source(source: Source, rows: int) -> Source:
    return source.model_copy(update={"first": _least(source.first, rows)})


def _pool(pool: P, rows: int) -> P:
    return pool.model_copy(update={"sources": [_source(one, rows) for one in pool.sources]})


def _benign(benign: Benign) -> Benign:
    own = {"limit": _least(benign.limit, ROWS), "holdout": min(benign.holdout, ROWS)}
    return _pool(benign, BENIGN_ROWS).model_copy(update=own)


def _clusters(k: int | list[int]) -> int | list[int]:
    return sorted({min(one, CLUSTERS) for one in k}) if isinstance(k, list) else min(k, CLUSTERS)


def _budget(budgets: list[int | str]) -> int:
    counts = [one for one in budgets if isinstance(one, int)]
    return min(ROWS, max(counts)) if len(counts) == len(budgets) else ROWS


def _sweep(sweep: Sweep) -> Sweep:
    kept = sweep.model_copy(
        update={
            "budget": [_budget(sweep.budget)], "draw": sweep.draw[:1], "seed": sweep.seed[:1], "on_cell_error": "stop",
            "time_budget": None, "search": Search(),
        }
    )  # fmt: skip
    given = {**sweep.axes, **{path: [one.to] for path, one in sweep.ranges.items()}}
    axes = {path: _axis(path, values) for path, values in given.items() if path not in DROPPED}
    object.__setattr__(kept, "__pydantic_extra__", axes)
    return kept


def _axis(path: str, values: list[Any]) -> list[Any]:
    """The values of an axis that are tried."""
    if all(isinstance(one, int | float) and not isinstance(one, bool) for one in values):
        values = [max(values)]
    if path == "evaluate.generation.max_tokens":
        return [min(one, ANSWER_TOKENS) for one in values]
    if path == "clusters.k":
        values = [_clusters(one) for one in values]
    elif path == "recipe.ema":
        values = [_ema(one) for one in values]
    elif path == "recipe.validation":
        values = [one and {**one, "rows": min(one.get("rows", ROWS), ROWS // 2)} for one in values]
    return [one for place, one in enumerate(values) if one not in values[:place]]


def _model(model: Model, steps: int) -> Model:
    changed: dict[str, Any] = {}
    if model.recipe is not None:
        changed["recipe"] = {
            key: _ema(value) if key == "ema" else value
            for key, value in model.recipe.items()
            if f"recipe.{key}" not in DROPPED and key != "validation"
        }
    if isinstance(model.source, OfCell):
        cell = model.source.cell
        selection = cell.selection.model_copy(update={"budget": _budget([cell.selection.budget])})
        own = cell.model_copy(update={"selection": selection, "recipe": _recipe(cell.recipe, steps)})
        changed["source"] = model.source.model_copy(update={"cell": own})
    return model.model_copy(update=changed)


def _recipe(recipe: Recipe, steps: int) -> Recipe:
    changed: dict[str, Any] = {"epochs": None, "steps": steps, "warmup_steps": min(recipe.warmup_steps, 1)}
    if recipe.ema is not None:
        changed["ema"] = recipe.ema.model_copy(update=_ema(recipe.ema.model_dump()))
    if (looked := recipe.validation) is not None:
        every = looked.every_n_steps and min(looked.every_n_steps, EVERY)
        changed["validation"] = looked.model_copy(update={"rows": min(looked.rows, ROWS // 2), "every_n_steps": every})
    return recipe.model_copy(update=changed)


def _ema(ema: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """An average that is taken within the few steps there are."""
    if not ema:
        return None
    every = DELTA_STEPS if ema.get("space") == "delta" else min(ema.get("every_n_steps", 1), EVERY)
    return {**ema, "every_n_steps": every, "start_step": 0}


def _averages_products(study: Study) -> bool:
    recipes: list[Any] = [study.recipe.model_dump()]
    for model in study.models:
        recipes.append(model.recipe or {})
        if isinstance(model.source, OfCell):
            recipes.append(model.source.cell.recipe.model_dump())
    recipes += [{"ema": value} for value in study.sweep.axes.get("recipe.ema", ())]
    spaces = [one["ema"].get("space") for one in recipes if one.get("ema")]
    return "delta" in [*spaces, *as_list(study.sweep.axes.get("recipe.ema.space", []))]
