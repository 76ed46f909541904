"""Study to graph: nodes, content keys, cost. No Ray."""

from lib.plan.cell import Cell, FailedCell, StoppedCell
from lib.plan.family import make_plan
from lib.plan.lookup import Lookup
from lib.plan.node import STAGES, Node
from lib.plan.plan import Plan

__all__ = ["STAGES", "Cell", "FailedCell", "Lookup", "Node", "Plan", "StoppedCell", "make_plan"]
