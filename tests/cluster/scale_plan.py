"""The work behind cluster/SCALE.md, from `lib.plan`: the plan of `scale.yaml`, and what it takes on one device by stage."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

from lib.plan import Lookup, Node, make_plan
from lib.plan.accelerators import ACCELERATORS, Accelerator
from lib.plan.cost import PRICES
from lib.plan.plan import Plan
from lib.plan.pricing import Bill, Pricer
from lib.store import Store
from lib.study import load_study
from lib.study.schema import Study
from tests.conftest import ROOT

STUDY = Path(__file__).with_name("scale.yaml")
GPU = ACCELERATORS["h100"]
MACHINE_GPUS, MACHINE_CORES = 8, 180
"""A pod of the group `h100` (`cluster/kuberay`)."""
IDLE_S = 900
"""The autoscaler's `idleTimeoutSeconds`: paid for after the last use."""


@cache
def the_study() -> Study:
    return load_study(STUDY, [])


@cache
def the_plan(model: int | None = None) -> tuple[Plan, Lookup]:
    """The plan of the whole study, or of one of its models."""
    study = the_study()
    if model is not None:
        study = study.model_copy(update={"models": [study.models[model]]})
    lookup = Lookup(Store(str(ROOT / "absent")))
    return make_plan(study, lookup), lookup


def bill(device: Accelerator, stage: str, model: int | None = None, *, only: Callable[[Node], bool] = bool) -> Bill:
    """What `lib.plan` says of a stage on one device."""
    plan, lookup = the_plan(model)
    nodes = [node for node in plan.nodes(stage) if only(node)]
    found = Bill(stage=stage, have=0, to_run=len(nodes))
    PRICES[stage](Pricer(plan, lookup, device), found, nodes)
    return found
