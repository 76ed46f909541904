"""The nodes of the cells: mixes, fine-tunes, answers, verdicts, tasks of lm-evaluation-harness."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from lib.errors import UserError
from lib.generation.prompts import PromptSet
from lib.models.family import find_family, lora_targets
from lib.plan.cell import Cell
from lib.plan.judges import JudgePlanner
from lib.plan.lookup import Lookup
from lib.plan.node import Node
from lib.plan.points import Point
from lib.plan.searchable import check_looks
from lib.plan.training import TrainingPlanner, named_family, with_targets
from lib.plan.utility import AskedTask
from lib.store import digest_value
from lib.store.place import NO_WEIGHTS
from lib.study.models import Model
from lib.study.recipe import Lora, Recipe, recipe_of
from lib.study.variants import Variant

Place = tuple[str, int, int]
"""Strategy label, budget, draw: which of the samples."""
Points = Sequence[tuple[Place, Point]]
"""What a search means, with the sample of each."""
BF16_MERGE_LIMIT = 0.1
"""Above this relative rounding error a merged cell is not served in bf16."""


class CellPlanner:
    """Plans the cells of every model."""

    def __init__(
        self,
        variant: Variant,
        lookup: Lookup,
        prompt_sets: Sequence[PromptSet],
        training: TrainingPlanner,
        judges: JudgePlanner,
        tasks: Sequence[AskedTask] = (),
    ) -> None:
        self.variant, self.study, self.lookup = variant, variant.study, lookup
        self.prompt_sets, self.training = prompt_sets, training
        self._check_engine()
        self.judges, self.tasks = judges, tasks

    def cells(self, samples: Mapping[Place, Node], points: Points | None = None, every: Points = ()) -> list[Cell]:
        """The untouched model and every different cell, model by model.

        Args:
            samples: by (strategy label, budget, draw).
            points: the only ones that are meant, and their samples (None: the product of all axes).
            every: points whose data are made ready too, since a search may come to them.
        """
        cells: list[Cell] = []
        for model in self.study.models:
            weights = self.training.models[model.name]
            own = None if points is None else [one for one in points if one[1].model in (None, model.name)]
            self._check_family(model, weights, own)
            base = Cell(model=model.name, strategy="base", budget=0, draw=0, seed=0, axes=self.variant.asked)
            cells.append(self._evaluated(base, model, weights))
            unique: dict[str, Cell] = {}
            for axes, recipe, place, seed in self._meant(model, samples, own):
                label, budget, draw = place
                train = self.training.train(model, weights, recipe, seed, samples[place])
                cell = Cell(
                    model=model.name, strategy=label, budget=budget, draw=draw, seed=seed, axes=axes,
                    sample=samples[place], train=train,
                )  # fmt: skip
                same = train.key or digest_value([samples[place].title, axes, seed])
                if same in unique:
                    first = unique[same]
                    also = first.also if cell.label == first.label else (*first.also, cell.label)
                    unique[same] = Cell(**{**vars(first), "also": also})
                else:
                    unique[same] = cell
            cells += [self._evaluated(cell, model, weights) for cell in unique.values()]
            for number, (_, recipe) in enumerate(self._recipes(model, every)):
                self.training.mix(model, weights, recipe, samples[every[number][0]])
        return cells

    def _meant(
        self, model: Model, samples: Iterable[Place], points: Points | None
    ) -> Iterator[tuple[dict[str, Any], Recipe, Place, int]]:
        """(swept values, recipe, sample, seed) of every cell of a model."""
        grid = list(itertools.product(samples, self.study.sweep.seed))
        for number, (axes, swept) in enumerate(self._recipes(model, points)):
            recipe = with_targets(swept, model)
            check_looks(recipe, self.study.sweep.search.method)
            for place, seed in grid if points is None else [(points[number][0], points[number][1].seed)]:
                yield axes, recipe, place, seed

    def _check_family(self, model: Model, weights: Node, points: Points | None) -> None:
        """What can be told before anything runs, where the model's folder is already here."""
        if not self.lookup.have(weights):
            return
        family = find_family(self.lookup.folder(weights, *NO_WEIGHTS), model.family)
        for _, recipe in self._recipes(model, points):
            lora_targets(recipe.lora.targets, family)

    @property
    def _adapters(self) -> str:
        """How adapters get into the engine."""
        return self.study.evaluate.engine.served(gpus=bool(self.study.cluster.max_gpus))

    def _check_engine(self) -> None:
        """Raises:
        UserError: settings of the engine that the machines, or its own other settings, leave without effect.
        """
        engine, gpus = self.study.evaluate.engine, self.study.cluster.max_gpus
        if engine.tensor_parallel > 1 and isinstance(gpus, int) and gpus < engine.tensor_parallel:
            raise UserError(
                f"evaluate.engine.tensor_parallel is {engine.tensor_parallel} and cluster.max_gpus {gpus}: lower one or "
                "raise the other"
            )
        if engine.adapters == "rows" and engine.dtype == "fp32" and gpus:
            raise UserError(
                "evaluate.engine.adapters is rows and its dtype fp32, and on GPUs vLLM computes adapters by the row in bf16 "
                "only: set dtype: bf16 or adapters: swap"
            )
        if engine.max_loras > 1 and self._adapters == "swap":
            raise UserError(
                f"evaluate.engine.max_loras is {engine.max_loras}, and weights are swapped here: set adapters: rows or "
                "leave max_loras out"
            )

    def _recipes(self, model: Model, points: Points | None) -> Iterator[tuple[dict[str, Any], Recipe]]:
        """The swept values with the variant's own, and the recipe that they make for a model: of every combination of the
        recipe axes, or of every point."""
        sweep = self.study.sweep
        recipe = recipe_of(self.study.recipe, model.recipe, f"models.{model.name}.recipe")
        axes = sweep.recipe_axes
        grid = (dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values()))
        for chosen in grid if points is None else (point.recipe for _, point in points):
            told = {**self.variant.axes, **chosen}
            yield {path: told[path] for path in sweep.paths}, with_axes(recipe, chosen)

    def _evaluated(self, cell: Cell, model: Model, weights: Node) -> Cell:
        """The cell with its generate, judge and utility nodes."""
        evaluate = self.study.evaluate
        served = self._served(cell, weights)
        generate, judge = {}, {}
        inputs = {"model": weights} | ({"train": cell.train} if cell.train else {})
        for prompts in self.prompt_sets:
            known = served if prompts.identity else None
            identity = known and {
                **known,
                "template": model.template,
                **named_family(model),
                "prompts": prompts.identity,
                **prompts.variant,
                "generation": evaluate.generation.model_dump(mode="json"),
                "block": evaluate.engine.block,
            }
            node = Node(
                stage="generate", title=f"{cell.label} on {prompts.name}", identity=identity, inputs=inputs,
                task={"prompts": prompts, "template": model.template, "generation": evaluate.generation},
            )  # fmt: skip
            generate[prompts.name] = node
            for name in evaluate.judges:
                judge[prompts.name, name] = self.judges.node(name, node.title, node)
        utility = {}
        for task in self.tasks:
            of_chat = named_family(model) if task.asked.chat else {}
            utility[task.name] = Node(
                stage="utility", title=f"{cell.label} on lm_eval {task.name}",
                identity=served and task.identity and {**served, **task.identity, **of_chat},
                inputs=inputs, task={"task": task, "family": model.family},
            )  # fmt: skip
        return Cell(**{**vars(cell), "generate": generate, "judge": judge, "utility": utility})

    def _served(self, cell: Cell, weights: Node) -> dict[str, Any] | None:
        """What the engine has loaded when it answers for a cell, and in which precision; None when not known yet."""
        adapters, dtype = self._adapters, self.study.evaluate.engine.dtype
        if cell.train is None:
            base = {"model": weights.key, "train": None, "dtype": dtype, "adapters": adapters}
            return base if weights.key else None
        known = self.lookup.facts(cell.train)
        if known is None or weights.key is None:
            return None
        if known["form"] == "weights":
            adapters = "swap"
        if adapters == "swap" and dtype == "bf16" and known["merge_error"] > BF16_MERGE_LIMIT:
            dtype = "fp32"
        return {"model": weights.key, "train": cell.train.key, "dtype": dtype, "adapters": adapters}


def with_axes(recipe: Recipe, axes: Mapping[str, Any]) -> Recipe:
    """A recipe with swept values set, checked like one from a file.

    Raises:
        UserError: the recipe has no such field, or refuses the value.
    """
    from pydantic import ValidationError

    tree = recipe.model_dump()
    for path, value in axes.items():
        node: Any = tree
        *parents, last = path.split(".")[1:]
        for key in parents:
            node = node.get(key) if isinstance(node, dict) else None
        if not isinstance(node, dict) or last not in node:
            raise UserError(f"axis {path!r}: a recipe has no such field")
        node[last] = value
    if axes.get("recipe.method") == "full":  # beside adapters in one sweep: it has none
        tree["lora"] = Lora().model_dump()
    try:
        return Recipe.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(["recipe", *(str(p) for p in first["loc"])])
        raise UserError(f"axis values {dict(axes)}: {where}: {first['msg'].removeprefix('Value error, ')}") from None
