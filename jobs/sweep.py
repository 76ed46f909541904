"""The main job: run a whole study, or what is missing of it, and write its report."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any

from lib.cli import parser, read_study, run_job
from lib.errors import UserError
from lib.outgoing import tell
from lib.study.schema import Study


def work(arguments: Sequence[str]) -> int:
    """Parse, plan, print or run."""
    options = parser("sweep", __doc__ or "")
    ways = options.add_mutually_exclusive_group()
    ways.add_argument("--dry-run", action="store_true", help="print what is there and what would run; touch nothing")
    ways.add_argument("--smoke", action="store_true", help="run every stage on a few rows, with the real models")
    ways.add_argument("--status", action="store_true", help="print how the study stands, from its storage alone")
    ways.add_argument("--gc", action="store_true", help="list what of the storage no study's plan uses any more")
    options.add_argument(
        "--accelerator",
        metavar="NAME",
        help="with --dry-run: the device that hours are given for (cpu, a10g, h100, ...)",
    )
    options.add_argument("--grace", metavar="AGE", help="with --gc: only what is older, e.g. 3d or 12h (default: 7d)")
    options.add_argument("--yes", action="store_true", help="with --gc: free it")
    given = options.parse_intermixed_args(arguments)
    if given.accelerator is not None and not given.dry_run:
        raise UserError(f"--accelerator {given.accelerator} is for --dry-run: a run takes the machines that are there")
    if not given.gc and (given.yes or given.grace):
        options.error("--grace and --yes are for --gc")
    study = read_study(given)
    if given.status:
        from lib.runtime.outputs import study_folder
        from lib.status.text import status_text
        from lib.store import Store

        tell(status_text(study.name, study_folder(study), Store(study.storage)))
        return 0
    if given.gc:
        tell(_collected(study, given, options))
        return 0
    if given.dry_run:
        tell(_described(study, given.accelerator))
        return 0
    from lib.progress import Progress

    if given.smoke:
        from lib.runtime.smoke import smoke

        tell(smoke(study, Progress(), arguments))
        return 0
    from lib.runtime.outputs import report
    from lib.runtime.pipeline import run

    def finish(plan: Any, lookup: Any, goal: Any = None) -> None:
        tell(report(plan, lookup, arguments, goal))

    if study.sweep.search.adaptive:
        from lib.runtime.search import search

        search(study, Progress(), finish)
    elif study.goal is None:
        run(study, Progress(), finish=finish)
    else:
        from lib.runtime.goal import search_budgets

        search_budgets(study, Progress(), finish)
    return 0


def _described(study: Study, accelerator: str | None) -> str:
    """What `--dry-run` prints."""
    from lib.plan import Lookup, make_plan
    from lib.plan.accelerators import find_accelerator
    from lib.plan.show import describe
    from lib.store import Store

    device = find_accelerator(accelerator, gpus=study.cluster.max_gpus != 0)
    lookup = Lookup(Store(study.storage))
    with lookup.store.at_once():
        return describe(make_plan(study, lookup), lookup, device)


def _collected(study: Study, given: Any, options: ArgumentParser) -> str:
    """What `--gc` prints."""
    from lib.plan.collect import GRACE, collect
    from lib.study.part import seconds

    try:
        grace_s = seconds(given.grace or GRACE)
    except ValueError as error:
        options.error(f"--grace: {error}")
    return collect(study, grace_s=grace_s, yes=given.yes)


if __name__ == "__main__":
    sys.exit(run_job(work))
