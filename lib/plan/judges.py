"""The judge nodes: what each judge of the study judges with, beside the answers.

A judge says itself what it needs (`Judge.needs`); nothing here knows one of them. A judge that needs nothing keeps the key
that it has by its own identity alone. One that needs a model finds it in `judge_models` under its own name, where labelers
find theirs too: a model that serves as both is resolved, fetched and pinned once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lib.errors import UserError
from lib.judging.judge import Judge, make_judge
from lib.plan.node import Node, identity_with
from lib.plan.pools import PoolPlanner
from lib.study.schema import Study

LABELLED = ("corpus", "references")
"""Pools whose rows may come with flags."""


class JudgePlanner:
    """Plans the verdicts of every judge of a study.

    Raises:
        UserError: an unknown judge, one without what it needs, or a model that nobody asks for.
    """

    def __init__(self, study: Study, pools: PoolPlanner) -> None:
        self.study, self.pools = study, pools
        self.judges = {text: make_judge(text) for text in study.evaluate.judges}
        self.inputs: dict[str, Mapping[str, Node]] = {text: self._needed(one) for text, one in self.judges.items()}
        self.settings = {text: self._settings(judge) for text, judge in self.judges.items()}
        self.identities = {text: {**judge.identity, **self.settings[text]} for text, judge in self.judges.items()}
        """By judge, once: a study of a thousand cells has thousands of sets of verdicts."""
        asked = {*pools.guards, *(judge.name for judge in self.judges.values() if "model" in judge.needs)}
        if idle := sorted(set(study.judge_models) - asked):
            raise UserError(
                f"judge_models.{idle[0]} is set and neither a labeler nor a judge asks it: remove it, or name it under "
                "behavior or evaluate.judges"
            )

    def node(self, text: str, title: str, generate: Node) -> Node:
        """The verdicts of a judge, by its name in the study, on one set of answers."""
        inputs, settings = {"generate": generate, **self.inputs[text]}, self.settings[text]
        return Node(
            stage="judge", title=f"{title} by {text}", inputs=inputs, task={"judge": text, **settings},
            identity=identity_with(inputs, **self.identities[text]),
        )  # fmt: skip

    def _needed(self, judge: Judge) -> dict[str, Node]:
        """The artifacts that a judge judges with, by role."""
        found: dict[str, Node] = {}
        for role in judge.needs:
            if role == "model":
                found[role] = self.pools.judge_model(judge.name, judge.example, f"judge {judge.name!r} asks a model")
            elif role == "encoder":
                found[role] = self.pools.encoder
            elif role == "labelled":
                found |= {pool: self.pools.pools[pool] for pool in LABELLED if pool in self.pools.pools}
            else:
                raise ValueError(f"judge {judge.name!r} needs {role!r}, which no study has")
        return found

    def _settings(self, judge: Judge) -> dict[str, Any]:
        """The settings of its model that can change its verdicts."""
        given = self.study.judge_models.get(judge.name)
        if given is None or "model" not in judge.needs:
            return {}
        if idle := sorted(given.model_fields_set - {"source", *judge.settings}):
            raise UserError(f"judge_models.{judge.name}.{idle[0]} is no setting of this judge: remove it")
        return {name: getattr(given, name) for name in judge.settings}
