"""The nodes before the cells: pools read, embedded, clustered, compared and labelled, and the selections from them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from lib.behavior.names import make_names
from lib.corpus.reader import Reader, make_reader, probe
from lib.corpus.sources import Located, is_local, locate
from lib.errors import UserError
from lib.generation.prompts import PromptSet, texts
from lib.guards.guard import make_guard
from lib.models.source import ModelSource, resolve_model
from lib.plan.labels import label_node
from lib.plan.lookup import Lookup
from lib.plan.node import Node, identity_with
from lib.plan.points import Point
from lib.sampling.select import resolve_budget
from lib.sampling.strategy import Strategy, make_strategy
from lib.study.schema import Corpus, Source, Study
from lib.study.sweep import Strategy as Entry

NOWHERE = Located((), 0, None)
ROW_BYTES = 4096
"""What a row of a source is taken to have at most, where only its first rows are read."""


def _probed(reader: Reader, location: str) -> bool:
    probe(reader, location)
    return True


class PoolPlanner:
    """Plans what all cells share. Vectors are planned when something asks for them, once for each pool and kind of text."""

    def __init__(self, study: Study, lookup: Lookup, online: bool, prompt_sets: Sequence[PromptSet]) -> None:
        self.study, self.lookup, self.online = study, lookup, online
        self.vectors: dict[tuple[str, str], Node] = {}
        self.places: dict[tuple[str, int | str, int], tuple[str, int, int]] = {}
        """What is asked for, (strategy label, budget and draw as the study has them), -> which of the samples that is."""
        self.open_budgets: set[str] = set()
        """Budgets that are shares of a number of rows which nobody knows yet."""
        self.pools = {"corpus": self._ingest("corpus", study.corpus)}
        if study.references:
            self.pools["references"] = self._ingest("references", study.references)
        self.pools["benign"] = self._ingest("benign", study.benign)
        asked = texts(prompt_sets)
        read = all(one.identity is not None for one in prompt_sets)
        self.pools["prompts"] = Node(
            stage="ingest", title="prompts", identity={"prompts": sorted(asked)} if read else None,
            task={"prompts": asked},
        )  # fmt: skip
        self.encoder = self.model("encoder", study.encoder.model)
        text = study.encoder.text
        self.cluster = self._cluster(self._embedded("corpus", text))
        self.near = self._near()
        rules = study.categories
        self.names = make_names(rules.taxonomy, rules.level, rules.names_from) if rules.taxonomy else None
        self.guards: dict[str, Node] = {}
        self.judge_models: dict[str, Node] = {}
        self.label = label_node(study, self.pools, self.names, self._embedded, self._guarded)
        self.cards = self._cards(self.cluster, self.label, self._embedded("corpus", text))

    def leaked(self, pool: str) -> dict[str, Node]:
        """The node that says which rows of `corpus` or `benign` to drop as evaluation prompts; empty where they stay."""
        return {"leakage": self.near[pool]} if self.study.selection.drop_leaked else {}

    def nodes(self) -> Iterator[Node]:
        """Every node but the selections."""
        yield from (self.encoder, *self.pools.values(), *self.vectors.values(), self.cluster)
        yield from (*self.judge_models.values(), *self.guards.values())
        yield from (*self.near.values(), self.label, self.cards)

    def model(self, title: str, source_text: str) -> Node:
        def resolved() -> ModelSource | None:
            found = resolve_model(source_text, online=self.online)
            return None if found.identity is None else found

        source = self.lookup.once(("model", source_text), resolved) or resolve_model(source_text, online=self.online)
        return Node(stage="model", title=title, identity=source.identity, task={"source": source}, path=source.path)

    def judge_model(self, name: str, example: str, why: str) -> Node:
        """The model that a judge or a labeler asks, one node for both.

        Args:
            example: how its model is called on the hub.
            why: who asks it, for the message.

        Raises:
            UserError: the study does not say where it is.
        """
        if name not in self.study.judge_models:
            raise UserError(f"{why}: set judge_models.{name} to its folder or to {example}@REVISION")
        if name not in self.judge_models:
            self.judge_models[name] = self.model(f"judge {name}", self.study.judge_models[name].source)
        return self.judge_models[name]

    def _ingest(self, title: str, corpus: Corpus) -> Node:
        files: list[dict[str, Any]] = []
        sources: list[dict[str, Any]] = []
        size = 0
        for source in corpus.sources:
            reader = make_reader(source.format, source.columns, corpus.max_chars)
            question = source.model_dump_json()
            found: Located = self.lookup.once(("source", question), partial(self._located, source)) or NOWHERE
            for location in found.locations:
                if is_local(location):
                    self.lookup.once(("probe", question, location), partial(_probed, reader, location))
            limited = {"first": source.first} if source.first else {}
            one_by_one = [(location,) for location in found.locations]
            for locations in [found.locations] if limited and found.locations else one_by_one:
                files.append(
                    {
                        "path": locations[0], "more": list(locations[1:]), "limit": source.first or 0, "format": source.format,
                        "columns": source.columns or {}, "max_chars": corpus.max_chars,
                    }
                )  # fmt: skip
            sources.append({"content": found.identity, **reader.identity, **limited})
            size += min(found.size_bytes, (source.first or found.size_bytes) * ROW_BYTES)
        identity = {"sources": sources, "on_bad_row": corpus.on_bad_row, "max_chars": corpus.max_chars}
        known = all(source["content"] is not None for source in sources)
        told = [(source, said["content"]) for source, said in zip(corpus.sources, sources, strict=True)]
        task = {"files": files, "size_bytes": size, "sources": told}
        return Node(stage="ingest", title=title, identity=identity if known else None, task=task)

    def _located(self, source: Source) -> Located | None:
        found = locate(source, online=self.online)
        return None if found.identity is None else found

    def _embedded(self, pool: str, kind: str) -> Node:
        """The vectors of a pool's instructions or pairs: planned when somebody asks for them, once."""
        if (pool, kind) not in self.vectors:
            encoder, inputs = self.study.encoder, {"encoder": self.encoder, "pool": self.pools[pool]}
            settings = encoder.model_dump(include={"pooling", "dtype", "storage"})
            reuse = [node for (_, other), node in self.vectors.items() if other == kind]
            self.vectors[pool, kind] = Node(
                stage="embed", title=pool if kind == "instruction" else f"{pool} ({kind})", inputs=inputs,
                identity=identity_with(inputs, text=kind, **settings),
                task={"batch": encoder.batch, "workers": encoder.workers, "reuse": reuse},
            )  # fmt: skip
        return self.vectors[pool, kind]

    def _guarded(self, name: str) -> Node:
        """A guard's verdicts on the corpus: planned when a labeler passes them on."""
        guard = make_guard(name)
        model = self.judge_model(name, guard.example, f"labeler {name!r} passes on the verdicts of a model")
        inputs = {"pool": self.pools["corpus"], "model": model}
        settings = self.study.judge_models[name].model_dump(include={"dtype", "max_model_tokens"})
        identity = identity_with(inputs, **guard.identity, **settings)
        node = Node(stage="guard", title=name, inputs=inputs, identity=identity, task=settings)
        return self.guards.setdefault(name, node)

    def _cluster(self, vectors: Node) -> Node:
        settings = self.study.clusters.model_dump()
        task = {"workers": settings.pop("workers")}
        inputs = {"embed": vectors}
        identity = identity_with(inputs, **settings)
        return Node(stage="cluster", title="clusters", inputs=inputs, identity=identity, task=task)

    def _near(self) -> dict[str, Node]:
        """Near duplicates inside the corpus, and rows of corpus and benign set that are evaluation prompts."""
        rules, found = self.study.selection, {}
        for pool in ("corpus", "benign"):
            inputs = {"pool": self.pools[pool], "prompts": self.pools["prompts"]}
            if rules.leaked_above is not None:
                inputs["embed_pool"] = self._embedded(pool, "instruction")
                inputs["embed_prompts"] = self._embedded("prompts", "instruction")
            identity = identity_with(inputs, what="leakage", above=rules.leaked_above)
            found[pool] = Node(stage="near", title=f"leakage {pool}", inputs=inputs, identity=identity)
        if rules.near_duplicates != "ignore":
            inputs = {"corpus": self.pools["corpus"], "embed": self._embedded("corpus", "instruction")}
            identity = identity_with(inputs, what="duplicates", above=rules.duplicates_above)
            found["duplicates"] = Node(stage="near", title="duplicates", inputs=inputs, identity=identity)
        return found

    def _cards(self, cluster: Node, label: Node, vectors: Node) -> Node:
        inputs = {"corpus": self.pools["corpus"], "cluster": cluster, "label": label, "embed": vectors}
        identity = identity_with(inputs, text=self.study.encoder.text)
        return Node(stage="cards", title="cluster cards", inputs=inputs, identity=identity)

    def samples(self) -> dict[tuple[str, int, int], Node]:
        """(strategy label, budget, draw) -> node, for every combination that is asked for.

        Budgets that are shares of benign rows not read yet go to `open_budgets` instead.
        """
        sweep, found = self.study.sweep, dict[tuple[str, int, int], Node]()
        for entry in sweep.strategy:
            for budget, draw in itertools.product(sweep.budget, sweep.draw):
                if (node := self.sample(entry, budget, draw)) is not None:
                    place = (entry.label, node.task["budget"], node.task["draw"])
                    self.places[entry.label, budget, draw] = place
                    found[place] = node
        return found

    def placed(self, points: Iterable[Point]) -> list[tuple[tuple[str, int, int], Point]]:
        """Points with which of the samples each has; those whose budget is not known yet are left out."""
        found = [(self.places.get((one.strategy, one.budget, one.draw)), one) for one in points]
        return [(place, one) for place, one in found if place is not None]

    def sample(self, entry: Entry, budget: int | str, draw: int) -> Node | None:
        """The node of one selection; None where the budget is a share of rows that nobody has counted yet."""
        strategy = make_strategy(entry.name, entry.options)
        count = resolve_budget(budget, self._benign_rows()) if strategy.uses_budget else 0
        if count is None:
            self.open_budgets.add(str(budget))
            return None
        draw = draw if strategy.seeded else 0
        inputs = self._evidence(entry.label, strategy)
        identity = identity_with(
            inputs, strategy=strategy.identity, types=entry.types, budget=count, draw=draw,
            allow_unsafe=self.study.selection.allow_unsafe,
        )  # fmt: skip
        text = {"embed": strategy.text or self.study.encoder.text, "cluster": self.study.encoder.text}
        return Node(
            stage="sample", title=f"{entry.label}-{count}-{draw}", identity=identity, inputs=inputs,
            task={
                "label": entry.label, "text": text, "names": self.names, "budget": count, "draw": draw,
                "clustered": self.cluster.inputs["embed"],
            },
        )  # fmt: skip

    def _benign_rows(self) -> int | None:
        """How many benign rows a share is of: as many as train, before evaluation prompts are dropped; None: not read yet."""
        benign, facts = self.study.benign, self.lookup.facts(self.pools["benign"])
        if benign.limit or not facts:
            return benign.limit
        rows: int = facts["rows"] - benign.holdout
        if rows < 1:
            raise UserError(
                f"benign has {facts['rows']} rows and benign.holdout keeps {benign.holdout}: none is left to train on"
            )
        return rows

    def _evidence(self, label: str, strategy: Strategy) -> dict[str, Node]:
        """The inputs of a strategy's selections."""
        inputs = {"corpus": self.pools["corpus"], "label": self.label, **self.leaked("corpus")}
        if self.study.selection.near_duplicates == "drop":
            inputs["duplicates"] = self.near["duplicates"]
        text = strategy.text or self.study.encoder.text
        if strategy.needs_vectors:
            inputs["embed"] = self._embedded("corpus", text)
        if strategy.needs_references:
            if "references" not in self.pools:
                raise UserError(f"strategy {label!r} compares with labelled rows: add `references` to the study")
            inputs |= {"references": self.pools["references"], "embed_references": self._embedded("references", text)}
        if strategy.strata == "clusters":
            inputs["cluster"] = self.cluster
        return inputs
