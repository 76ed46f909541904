"""One plan for all studies of a family: what they share is in it once, and their cells carry what tells them apart.

Each variant is planned by itself against the same store. Nodes with equal keys are one node then, whichever variant they
came from; a node that has no key yet is told apart by what will enter its key. The variants' cells follow one another, and
cells that come to the same fine-tune and are asked the same way are one, as they are inside a variant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from lib.errors import UserError
from lib.plan.cell import Cell, axis_words
from lib.plan.lookup import Lookup
from lib.plan.node import Node
from lib.plan.plan import Plan, plan_variant
from lib.plan.points import Point, sampled
from lib.plan.searchable import check_search
from lib.plan.tried import read_tried
from lib.store import digest_value
from lib.study.models import OfCell
from lib.study.schema import Study
from lib.study.variants import Variant, variants

JUDGED_WITH = {"encoder": ("encoder.",), "labelled": ("corpus.",)}
"""What a judge may need -> the axes that would give every variant another one."""
ENTERS = {
    "ingest": ("corpus.",), "embed": ("encoder.",), "cluster": ("clusters.",), "near": ("selection.",),
    "label": ("categories.",), "sample": ("selection.",), "mix": ("benign.",),
}  # fmt: skip
"""The axes whose values enter a stage's identity directly, beside its inputs."""


def make_plan(study: Study, lookup: Lookup, *, online: bool = False, points: Sequence[Point] | None = None) -> Plan:
    """Plan a study against what the store already has.

    Args:
        online: ask the hub for revisions that cannot be told from here.
        points: the only cells that are meant (None: all of a grid; of a search, those that it has, or would, come to).

    Raises:
        UserError: missing or wrong input, unknown plug-in, contradictory settings, an axis that cannot be one.
    """
    with lookup.store.at_once():
        return _make_plan(study, lookup, online, points)


def _make_plan(study: Study, lookup: Lookup, online: bool, points: Sequence[Point] | None) -> Plan:
    check_search(study)
    found = variants(study)
    if points is None:
        points = points_of(study)
    if not study.sweep.study_axes:
        plan = plan_variant(found[0], lookup, online, points)
        tried = read_tried(study) or () if study.sweep.search.adaptive else ()
        return replace(plan, stopped=tuple(one.stopped for one in tried if one.state == "stopped"))
    plans = [plan_variant(variant, lookup, online, points) for variant in found]
    _refuse_contradictions(study, plans[0])
    return _merged(found, plans)


def points_of(study: Study) -> list[Point] | None:
    """The cells that a study's search means (None: all of the grid): those it has tried and not stopped, or else a sample."""
    sweep = study.sweep
    if sweep.search.method == "grid":
        return None
    tried = read_tried(study) if sweep.search.adaptive else None
    return sampled(sweep) if tried is None else [one.point for one in tried if one.state != "stopped"]


def _refuse_contradictions(study: Study, first: Plan) -> None:
    """Raises:
    UserError: an axis that would change what cells are compared with, or what there is one of.
    """
    axes = list(study.sweep.study_axes)
    for text, judge in first.judges.judges.items():
        for need in judge.needs:
            for path in axes:
                if path.startswith(JUDGED_WITH.get(need, ())):
                    raise UserError(
                        f"axis {path!r} would give judge {text} another {need} to judge with in each cell: leave the axis "
                        "or the judge out"
                    )
    made = next((path for path in axes if not path.startswith("evaluate.")), None)
    if made and study.export:
        raise UserError(
            f"export writes the mixes of one study, and axis {made!r} makes several: leave one of the two out"
        )
    for model in study.models:
        if made and isinstance(model.source, OfCell):
            raise UserError(
                f"axis {made!r} would make model {model.name}, which is a cell, another one in each variant: run a study for "
                "each value"
            )


def _merged(found: Sequence[Variant], plans: Sequence[Plan]) -> Plan:
    """One plan of several."""
    nodes = _Nodes()
    samples: dict[tuple[str, int, int], Node] = {}
    cells: dict[tuple[Any, ...], Cell] = {}
    lists: dict[str, dict[str, Node]] = {"shared": {}, "selections": {}, "mixes": {}}
    for variant, plan in zip(found, plans, strict=True):
        for part, known in lists.items():
            for node in getattr(plan, part):
                name = nodes.name(node, variant)
                if name not in known:
                    known[name] = _titled(
                        node, {one.title for one in known.values() if one.stage == node.stage}, variant
                    )
        for place, node in plan.samples.items():
            samples.setdefault(place, lists["selections"][nodes.name(node, variant)])
        for cell in plan.cells:
            _add(cells, cell, variant, nodes)
    words = tuple(" ".join(axis_words(variant.axes)) for variant in found)
    order = {model.name: place for place, model in enumerate(plans[0].study.models)}
    return replace(
        plans[0], samples=samples, shared=tuple(lists["shared"].values()), selections=tuple(lists["selections"].values()),
        mixes=tuple(lists["mixes"].values()), variants=words,
        cells=tuple(sorted(cells.values(), key=lambda cell: (order[cell.model], cell.train is not None))),
        open_budgets=tuple(sorted({budget for plan in plans for budget in plan.open_budgets})),
    )  # fmt: skip


def _add(cells: dict[tuple[Any, ...], Cell], cell: Cell, variant: Variant, nodes: _Nodes) -> None:
    """Add a variant's cell, or its label to the equal one that is there."""
    train = cell.train and nodes.one(cell.train, variant)
    same: tuple[Any, ...] = (cell.model, train and nodes.name(train, variant), digest_value(cell.asked))
    if train is None or train.key:
        first = cells.get(same)
    else:  # what its selection is can still turn out to be another's
        same, first = (*same, cell.label), None
    if first is None:
        cells[same] = replace(cell, train=train)
        return
    also = dict.fromkeys((*first.also, cell.label, *cell.also))
    cells[same] = replace(first, also=tuple(label for label in also if label != first.label))


def _titled(node: Node, taken: set[str], variant: Variant) -> Node:
    """The node under a title that no other one of its stage has."""
    if node.title not in taken:
        return node
    return replace(node, title=f"{node.title} {' '.join(axis_words(variant.axes))}")


class _Nodes:
    """Tells nodes of several plans apart: by key, or by what will enter the key."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}
        self._one: dict[str, Node] = {}
        self._kept: list[Node] = []

    def name(self, node: Node, variant: Variant) -> str:
        """A name that equal nodes have in common."""
        if node.key is not None:
            return f"{node.stage} {node.key}"
        if id(node) not in self._names:
            own = {p: v for p, v in variant.axes.items() if p.startswith(ENTERS.get(node.stage, ()))}
            told = {name: node.task[name] for name in ("recipe", "seed", "benign") if name in node.task}
            given = {role: self.name(one, variant) for role, one in node.inputs.items()}
            self._names[id(node)] = digest_value([node.stage, node.title, given, own, told])
            self._kept.append(node)  # its id stays its own
        return self._names[id(node)]

    def one(self, node: Node, variant: Variant) -> Node:
        """The first node of this name."""
        return self._one.setdefault(self.name(node, variant), node)
