"""A study as a graph of nodes. Pure: reads the study, the input files' digests and the store, changes nothing.

    corpus, references, benign, prompts -> ingest -> embed (per pool) -> cluster (corpus)
                                              |        |
                                              |        +-> near (duplicates in the corpus, leakage of prompts)
                                              +------ label -> cards    (guard -> label, where a labeler asks one)
                                                        |
                             mix(benign)              sample (per strategy, budget, draw)
                             |                          |
                             |              mix(selection)
                             +---- train (per model, selection content, recipe, seed)
                                     |
                             generate (per prompt set) -> judge (per judge, with what it needs: a model, labelled rows)
                             utility (per task of lm-evaluation-harness)

What comes before the cells is planned in `pools`, the cells in `cells`. Cells are told apart by what they are made of:
two strategies that picked the same rows are one cell, trained once. That is only known once the samples exist, so a plan
made before has cells without keys, and the driver plans again after every stage. A model may itself be a fine-tune of this
study: then its node follows from a train node, and the stages are gone through once more.

A study with axes outside the recipe is a family of studies: each is planned here, and `family` makes one plan of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from lib.export.format import make_format
from lib.generation.prompts import PromptSet, load_prompts
from lib.plan.cell import Cell, FailedCell, StoppedCell
from lib.plan.cells import CellPlanner
from lib.plan.judges import JudgePlanner
from lib.plan.lookup import Lookup
from lib.plan.node import STAGES, Node
from lib.plan.objective import Objective, find_objective
from lib.plan.points import Point, covering
from lib.plan.pools import PoolPlanner
from lib.plan.training import TrainingPlanner
from lib.plan.utility import harness_tasks
from lib.study.schema import Prompts, Study
from lib.study.variants import Variant


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """All nodes of a study, and what is known about its cells."""

    study: Study
    """Where a study is a family (`lib/study/variants`): its first."""
    prompt_sets: tuple[PromptSet, ...]
    shared: tuple[Node, ...]
    """Nodes that come before the cells."""
    samples: Mapping[tuple[str, int, int], Node]
    """(strategy label, budget, draw) -> node; where a study is a family, that of the first variant that has it."""
    selections: tuple[Node, ...]
    """Every different selection, of all variants, under a title of its own."""
    mixes: tuple[Node, ...]
    first: Mapping[str, Node]
    """Fine-tunes that models of this study are made of, by what progress lines call them."""
    cells: tuple[Cell, ...]
    judges: JudgePlanner
    """Plans further verdicts, on answers that no cell gave."""
    variants: tuple[str, ...] = ()
    """What tells the studies of a family apart, in words; the first is what `shared_node` and the report's page on the
    corpus are of."""
    failed: tuple[FailedCell, ...] = ()
    """Fine-tunes that this run tried in vain, and that `cells` is without."""
    stopped: tuple[StoppedCell, ...] = ()
    """Fine-tunes that a search stopped on their way, and that `cells` is without."""
    left: tuple[str, ...] = ()
    """Labels of fine-tunes that this run did not come to, and that `cells` is without."""
    objective: Objective | None = None
    """What the study's search looks at (None: no search, or prompt sets that are not read yet)."""
    open_budgets: tuple[str, ...] = ()
    """Shares of benign rows that are not read yet: their selections and cells are not in this plan."""

    def nodes(self, stage: str) -> list[Node]:
        """The nodes of a stage, each once."""
        per_cell = {
            "train": lambda cell: [cell.train] if cell.train else [],
            "generate": lambda cell: list(cell.generate.values()),
            "judge": lambda cell: list(cell.judge.values()),
            "utility": lambda cell: list(cell.utility.values()),
        }
        if stage in per_cell:
            found = [node for cell in self.cells for node in per_cell[stage](cell)]
            found += self.first.values() if stage == "train" else ()
        else:
            found = [node for node in (*self.shared, *self.selections, *self.mixes) if node.stage == stage]
        return list({id(n) if n.key is None else n.key: n for n in found}.values())

    def without(self, failed: Collection[str]) -> Plan:
        """The same without the cells whose fine-tunes, by key, failed or were left."""
        cells = tuple(cell for cell in self.cells if cell.train is None or cell.train.key not in failed)
        return replace(self, cells=cells)

    def only(self, labels: Collection[str]) -> Plan:
        """The same with the untouched models and these cells alone."""
        wanted = frozenset(labels)
        cells = (cell for cell in self.cells if cell.train is None or not wanted.isdisjoint((cell.label, *cell.also)))
        return replace(self, cells=tuple(cells))

    def trained(self, label: str) -> Node | None:
        """The fine-tune that goes by this name; of cells that came to one, each has its own."""
        for cell in self.cells:
            if cell.train and label in (cell.label, *cell.also):
                return cell.train
        return self.first.get(label)

    @property
    def every_label(self) -> list[str]:
        """What progress lines call the fine-tunes, those with no key yet included."""
        return [*self.first, *(name for cell in self.cells if cell.train for name in (cell.label, *cell.also))]

    @property
    def labels(self) -> dict[str, str]:
        """Keys of fine-tunes -> what progress lines call them."""
        cells = [(cell.train, cell.label) for cell in reversed(self.cells) if cell.train]  # of several, the first
        return {str(node.key): label for node, label in [*cells, *((n, name) for name, n in self.first.items())]}

    def all_nodes(self) -> Iterator[Node]:
        """Every node in running order."""
        for stage in STAGES:
            yield from self.nodes(stage)

    def shared_node(self, stage: str, title: str) -> Node:
        """The shared node of this stage and title."""
        return next(node for node in self.shared if (node.stage, node.title) == (stage, title))


def _prompts(spec: Prompts, lookup: Lookup, online: bool) -> PromptSet:
    """A prompt set, read once in a run; one that lies on a hub is read when the hub may be asked."""

    def read() -> PromptSet | None:
        found = load_prompts(spec, online=online)
        return None if found.identity is None else found

    known: PromptSet | None = lookup.once(("prompts", spec.model_dump_json()), read)
    return known or load_prompts(spec, online=False)


def plan_variant(variant: Variant, lookup: Lookup, online: bool, points: Sequence[Point] | None = None) -> Plan:
    """Plan one study of a family by itself.

    Args:
        points: the cells that are meant (None: the whole grid). Those of other variants are left out, and those whose budget
            is not known yet.
    """
    study = variant.study
    prompt_sets = tuple(_prompts(spec, lookup, online) for spec in study.evaluate.prompts)
    for name in study.export:
        make_format(name)
    pools = PoolPlanner(study, lookup, online, prompt_sets)
    judges = JudgePlanner(study, pools)
    samples = pools.samples()
    training = TrainingPlanner(study, lookup, pools)
    tasks = harness_tasks(study, lookup, online)
    meant = None if points is None else pools.placed(one for one in points if one.of(variant.axes))
    every = pools.placed(covering(study.sweep)) if study.sweep.search.adaptive else ()
    cells = CellPlanner(variant, lookup, prompt_sets, training, judges, tasks).cells(samples, meant, every)
    return Plan(
        study=study, prompt_sets=prompt_sets, shared=(*training.models.values(), *training.more, *pools.nodes()),
        samples=samples, selections=tuple(samples.values()), mixes=tuple(training.mixes.values()), first=training.first,
        cells=tuple(cells), judges=judges, objective=find_objective(study, prompt_sets, judges.judges),
        open_budgets=tuple(sorted(pools.open_budgets)),
    )  # fmt: skip
