"""A study as a graph of nodes. Pure: reads the study, the input files' digests and the store, changes nothing.

    corpus, references -> ingest -> embed -> cluster
                             |        |
                             +------ label -> sample (per strategy, budget, draw)
    benign -> ingest -> mix(benign)             |
                             |              mix(selection)
                             +---- train (per model, selection content, recipe, seed)
                                     |
                             generate (per prompt set) -> judge (per judge)

Cells are told apart by what they are made of: two strategies that picked the same rows are one cell, trained once. That
is only known once the samples exist, so a plan made before has cells without keys, and the driver plans again after
every stage.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lib.behavior.labeler import make_labeler
from lib.corpus.ingest import partitions_for
from lib.corpus.reader import Reader, probe
from lib.corpus.sources import source_digest, source_files
from lib.corpus.text import fold_id
from lib.errors import UserError
from lib.generation.prompts import PromptSet, load_prompts, texts
from lib.judging.judge import make_judge
from lib.models.source import resolve_model
from lib.plan.lookup import Lookup
from lib.plan.node import STAGES, Node, identity_with
from lib.sampling.select import resolve_budget
from lib.sampling.strategy import Strategy
from lib.store import digest_value
from lib.study.schema import Corpus, Model, Recipe, Study

BF16_MERGE_LIMIT = 0.1
"""Above this relative rounding error a merged cell is not served in bf16."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Cell:
    """One fine-tune and its evaluation; or the untouched model (`strategy` "base")."""

    model: str
    strategy: str
    budget: int
    draw: int
    seed: int
    axes: Mapping[str, Any] = field(default_factory=dict)
    """The swept recipe values, by dotted path."""
    sample: Node | None = None
    train: Node | None = None
    generate: Mapping[str, Node] = field(default_factory=dict)
    """By prompt set."""
    judge: Mapping[tuple[str, str], Node] = field(default_factory=dict)
    """By (prompt set, judge)."""
    also: tuple[str, ...] = ()
    """Labels of coordinates that came to the same cell."""

    @property
    def label(self) -> str:
        """How progress lines and tables call the cell."""
        if self.strategy == "base":
            return f"{self.model} base"
        parts = [self.model, self.strategy if not self.budget else f"{self.strategy}-{self.budget}"]
        parts += [f"draw {self.draw}"] if self.draw else []
        parts += [f"seed {self.seed}"] if self.seed else []
        return " ".join(parts + [f"{path.removeprefix('recipe.')}={value}" for path, value in self.axes.items()])


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """All nodes of a study, and what is known about its cells."""

    study: Study
    prompt_sets: tuple[PromptSet, ...]
    shared: tuple[Node, ...]
    """Nodes that come before the cells."""
    samples: Mapping[tuple[str, int, int], Node]
    """(strategy label, budget, draw) -> node."""
    mixes: tuple[Node, ...]
    cells: tuple[Cell, ...]

    def nodes(self, stage: str) -> list[Node]:
        """The nodes of a stage, each once."""
        per_cell = {
            "train": lambda cell: [cell.train] if cell.train else [],
            "generate": lambda cell: list(cell.generate.values()),
            "judge": lambda cell: list(cell.judge.values()),
        }
        if stage in per_cell:
            found = [node for cell in self.cells for node in per_cell[stage](cell)]
        else:
            found = [node for node in (*self.shared, *self.samples.values(), *self.mixes) if node.stage == stage]
        return list({id(n) if n.key is None else n.key: n for n in found}.values())

    def all_nodes(self) -> Iterator[Node]:
        """Every node in running order."""
        for stage in STAGES:
            yield from self.nodes(stage)

    def shared_node(self, title: str) -> Node:
        """The shared node of this title."""
        return next(node for node in self.shared if node.title == title)


def make_plan(study: Study, lookup: Lookup, *, online: bool = False) -> Plan:
    """Plan a study against what the store already has.

    Args:
        online: ask the hub for revisions that cannot be told from here.

    Raises:
        UserError: missing or wrong input, unknown plug-in, contradictory settings.
    """
    return _Planner(study, lookup, online).plan()


class _Planner:
    """Builds the graph room by room; exists for one call."""

    def __init__(self, study: Study, lookup: Lookup, online: bool) -> None:
        self.study, self.lookup, self.online = study, lookup, online
        self.prompt_sets = tuple(load_prompts(spec) for spec in study.evaluate.prompts)
        leaked = sorted({fold_id(text) for text in texts(self.prompt_sets)}) if study.selection.drop_leaked else []
        self.leaked = leaked
        for judge in study.evaluate.judges:
            make_judge(judge)

    def plan(self) -> Plan:
        study = self.study
        corpus, benign = self._ingest("corpus", study.corpus), self._ingest("benign", study.benign)
        references = [self._ingest("references", study.references)] if study.references else []
        encoder = self._model("encoder", study.encoder.model)
        embed = self._embed(encoder, {node.title: node for node in (corpus, *references)})
        cluster = Node(
            stage="cluster", title="cluster", inputs={"embed": embed},
            identity=identity_with({"embed": embed}, **study.clusters.model_dump()),
        )  # fmt: skip
        label = self._label(corpus, embed, references)
        samples = self._samples(corpus, label, embed)
        models = {model.name: self._model(model.name, model.source) for model in study.models}
        mixes: dict[str, Node] = {}
        cells = self._cells(models, samples, benign, mixes)
        shared = (*models.values(), encoder, corpus, *references, benign, embed, cluster, label)
        return Plan(
            study=study, prompt_sets=self.prompt_sets, shared=shared, samples=samples,
            mixes=tuple(mixes.values()), cells=tuple(cells),
        )  # fmt: skip

    def _model(self, title: str, source_text: str) -> Node:
        source = resolve_model(source_text, online=self.online)
        return Node(stage="model", title=title, identity=source.identity, task={"source": source}, path=source.path)

    def _ingest(self, title: str, corpus: Corpus) -> Node:
        files = []
        for source in corpus.sources:
            reader = Reader.find(source.format)()
            for path in source_files(source.source):
                probe(reader, path)
                files.append({"path": str(path.resolve()), "format": source.format})
        size = sum(Path(file["path"]).stat().st_size for file in files)
        identity = {
            "sources": [{"content": source_digest(s.source), "format": s.format} for s in corpus.sources],
            "on_bad_row": corpus.on_bad_row,
        }
        return Node(
            stage="ingest", title=title, identity=identity, task={"files": files, "partitions": partitions_for(size)}
        )

    def _embed(self, encoder: Node, pools: dict[str, Node]) -> Node:
        inputs = {"encoder": encoder, **pools}
        return Node(
            stage="embed", title="embed", inputs=inputs, task={"batch": self.study.encoder.batch},
            identity=identity_with(inputs, text=self.study.encoder.text, dtype="float32", pooling="model"),
        )  # fmt: skip

    def _label(self, corpus: Node, embed: Node, references: list[Node]) -> Node:
        behavior, study = self.study.behavior, self.study
        source = study.categories.from_
        if source == "nearest" and not references:
            raise UserError(
                "categories.from is nearest and the study has no references: add labelled rows as `references`"
            )
        if behavior.harmful_request == "categories" and source == "nearest":
            raise UserError(
                "behavior.harmful_request: categories says nothing with categories.from: nearest (every row gets one); "
                "use given, or corpus.assume_harmful_requests: true"
            )
        inputs = {"corpus": corpus}
        if source != "given":
            inputs |= {node.title: node for node in references}
        if source == "nearest":
            inputs["embed"] = embed
        identity = identity_with(
            inputs,
            categories=source,
            refusal=make_labeler(behavior.refusal, "refusal").identity,
            harmful_request=make_labeler(behavior.harmful_request, "harmful_request").identity,
            assume_harmful=study.corpus.assume_harmful_requests,
        )
        task = {"refusal": behavior.refusal, "harmful_request": behavior.harmful_request}
        return Node(stage="label", title="label", identity=identity, inputs=inputs, task=task)

    def _samples(self, corpus: Node, label: Node, embed: Node) -> dict[tuple[str, int, int], Node]:
        sweep, found = self.study.sweep, {}
        for spec, budget, wanted in itertools.product(sweep.strategy, sweep.budget, sweep.draw):
            strategy: type[Strategy] = Strategy.find(spec.name)
            count = resolve_budget(budget, self.study.benign.limit) if strategy.uses_budget else 0
            draw = wanted if strategy.seeded else 0
            inputs = {"corpus": corpus, "label": label} | ({"embed": embed} if strategy.needs_vectors else {})
            identity = identity_with(
                inputs, strategy=spec.name, types=spec.types, budget=count, draw=draw,
                leaked=digest_value(self.leaked), allow_unsafe=self.study.selection.allow_unsafe,
            )  # fmt: skip
            place = (spec.label, count, draw)
            title = f"{spec.label}-{count}-{draw}"
            found[place] = Node(
                stage="sample",
                title=title,
                identity=identity,
                inputs=inputs,
                task={"leaked": self.leaked, "label": spec.label},
            )
        return found

    def _mix(self, mixes: dict[str, Node], model: Model, weights: Node, recipe: Recipe, role: str, rows: Node) -> Node:
        """Tokenised rows: one node per (rows, tokenizer, template, length), shared by every cell that uses it."""
        inputs = {"model": weights, "rows": rows}
        facts = self.lookup.facts(rows) if role == "selection" else None
        settings: dict[str, Any] = {"role": role, "template": model.template, "max_tokens": recipe.max_tokens}
        identity: dict[str, Any] | None = None
        if role == "benign":
            benign = self.study.benign
            settings |= {"limit": benign.limit, "holdout": benign.holdout, "leaked": digest_value(self.leaked)}
            identity = identity_with(inputs, **settings)
        elif facts is not None and weights.key is not None:
            identity = {**settings, "selection": facts["content"], "inputs": {"model": weights.key}}
        task = {"leaked": self.leaked if role == "benign" else []}
        node = Node(stage="mix", title=f"{role} {rows.title} {model.name}", identity=identity, inputs=inputs, task=task)
        return mixes.setdefault(node.key or f"{node.title} {recipe.max_tokens}", node)

    def _cells(
        self, models: dict[str, Node], samples: dict[tuple[str, int, int], Node], benign: Node, mixes: dict[str, Node]
    ) -> list[Cell]:
        cells: list[Cell] = []
        for model in self.study.models:
            weights = models[model.name]
            cells.append(
                self._evaluated(Cell(model=model.name, strategy="base", budget=0, draw=0, seed=0), model, weights)
            )
            unique: dict[str, Cell] = {}
            for axes, recipe in self._recipes():
                for (label, budget, draw), sample in samples.items():
                    for seed in self.study.sweep.seed:
                        parts = {
                            "benign": self._mix(mixes, model, weights, recipe, "benign", benign),
                            "selection": self._mix(mixes, model, weights, recipe, "selection", sample),
                        }
                        train = self._train(model, weights, recipe, seed, parts)
                        cell = Cell(
                            model=model.name, strategy=label, budget=budget, draw=draw, seed=seed, axes=axes,
                            sample=sample, train=train,
                        )  # fmt: skip
                        same = train.key or digest_value([sample.title, axes, seed])
                        if same in unique:
                            first = unique[same]
                            unique[same] = Cell(**{**vars(first), "also": (*first.also, cell.label)})
                        else:
                            unique[same] = cell
            cells += [self._evaluated(cell, model, weights) for cell in unique.values()]
        return cells

    def _recipes(self) -> Iterator[tuple[dict[str, Any], Recipe]]:
        """Every combination of the recipe axes with the recipe it makes."""
        axes = self.study.sweep.recipe_axes
        for values in itertools.product(*axes.values()):
            chosen = dict(zip(axes, values, strict=True))
            recipe = self.study.recipe
            yield chosen, with_axes(recipe, chosen)

    def _train(self, model: Model, weights: Node, recipe: Recipe, seed: int, parts: dict[str, Node]) -> Node:
        placement = self.study.train
        if recipe.batch % placement.workers:
            raise UserError(f"recipe.batch {recipe.batch} is no multiple of train.workers {placement.workers}")
        per_worker = recipe.batch // placement.workers
        micro = min(placement.micro_batch, per_worker)
        if per_worker % micro:
            raise UserError(
                f"recipe.batch {recipe.batch} = train.workers {placement.workers} x {per_worker}, "
                f"and {per_worker} is no multiple of train.micro_batch {micro}"
            )
        facts = {role: self.lookup.facts(node) for role, node in parts.items()}
        identity = None
        if weights.key is not None and facts["benign"] is not None and facts["selection"] is not None:
            identity = {
                "model": weights.key,
                "benign": facts["benign"]["content"],
                "holdout": facts["benign"]["holdout_content"],
                "selection": facts["selection"]["content"],
                "recipe": recipe.model_dump(mode="json"),
                "seed": seed,
            }
        task = {"preset": placement.deepspeed, "micro_batch": micro, "workers": placement.workers, "seed": seed}
        return Node(
            stage="train", title=model.name, identity=identity, inputs={"model": weights, **parts},
            task={**task, "recipe": recipe.model_dump(mode="json")},
        )  # fmt: skip

    def _evaluated(self, cell: Cell, model: Model, weights: Node) -> Cell:
        """The cell with its generate and judge nodes."""
        evaluate = self.study.evaluate
        served = self._served(cell, weights)
        generate, judge = {}, {}
        inputs = {"model": weights} | ({"train": cell.train} if cell.train else {})
        for prompts in self.prompt_sets:
            identity = served and {
                **served,
                "template": model.template,
                "prompts": prompts.identity,
                "generation": evaluate.generation.model_dump(mode="json"),
                "block": evaluate.engine.block,
            }
            node = Node(
                stage="generate", title=f"{cell.label} on {prompts.name}", identity=identity, inputs=inputs,
                task={"prompts": prompts, "template": model.template},
            )  # fmt: skip
            generate[prompts.name] = node
            for name in evaluate.judges:
                judge[prompts.name, name] = Node(
                    stage="judge", title=f"{cell.label} on {prompts.name} by {name}",
                    identity=identity_with({"generate": node}, **make_judge(name).identity),
                    inputs={"generate": node}, task={"judge": name},
                )  # fmt: skip
        return Cell(**{**vars(cell), "generate": generate, "judge": judge})

    def _served(self, cell: Cell, weights: Node) -> dict[str, Any] | None:
        """What the engine has loaded when it answers for a cell, and in which precision; None when not known yet."""
        engine = self.study.evaluate.engine
        adapters = engine.adapters
        if adapters == "auto":
            adapters = "rows" if self.study.cluster.max_gpus else "swap"
        dtype = engine.dtype
        if cell.train is None:
            base = {"model": weights.key, "train": None, "dtype": dtype, "adapters": adapters}
            return base if weights.key else None
        known = self.lookup.facts(cell.train)
        if known is None or weights.key is None:
            return None
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
    try:
        return Recipe.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(p) for p in first["loc"])
        raise UserError(f"axis values {dict(axes)}: recipe.{where}: {first['msg']}") from None
