"""`jobs.sweep STUDY --smoke`: every stage of a study, on a few rows, with its real models, before money is spent.

The small study lies in the same storage under a name and keys of its own. What is equal in both, the models above all, is
made once and found by the study itself; the rest is freed when all went well. When something failed it stays, for whoever
looks into it, and the same command goes on from there.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from lib.errors import UserError
from lib.plan import STAGES, Lookup, Plan, make_plan
from lib.plan.cover import cover
from lib.plan.stored import forget_plan, keys_of_plan, wanted_keys
from lib.progress import Progress
from lib.runtime.outputs import report, study_folder
from lib.runtime.pipeline import run
from lib.store import Store
from lib.store.collect import free, unwanted
from lib.study.schema import Study
from lib.study.smoke import cut_in_words, smoke_study


def smoke(study: Study, progress: Progress, arguments: Sequence[str]) -> str:
    """Run the smoke study of a study to its report; the line that says how it went.

    Raises:
        UserError: the study, its data or a setting is wrong; said as of the smoke run.
        RetriableError: a machine failed more often than was allowed.
    """
    begun = time.monotonic()
    small = smoke_study(study)
    lookup = Lookup(Store(study.storage))
    try:
        of = sum(cell.train is not None for cell in make_plan(study, lookup).cells)
        chosen = [cell.label for cell in cover(make_plan(small, lookup).cells)]
        progress.say(cut_in_words(study, len(chosen), of))
        plan, lookup = run(small, progress, chosen=chosen)
        whole = plan.only(chosen)
        report(whole, lookup, arguments)
    except UserError as error:
        raise UserError(f"smoke: {error}") from None
    stages = {node.stage for node in whole.all_nodes()}
    _clear(study, plan, lookup)
    return f"smoke: ok, {len(stages) + 1} stages, {time.monotonic() - begun:.0f} s"


def _clear(study: Study, plan: Plan, lookup: Lookup) -> None:
    """Free what is of the smoke run alone."""
    store = lookup.store
    store.remove(study_folder(plan.study))
    forget_plan(plan.study.name, store)
    own, kept = keys_of_plan(plan), wanted_keys(store)
    for stage, keys in keys_of_plan(make_plan(study, lookup, online=True)).items():
        kept.setdefault(stage, set()).update(keys)
    for one in unwanted(store, [stage for stage in STAGES if stage in own], kept, 0):
        if one.key in own[one.stage]:
            free(store, one)
