"""Write the report of a finished study again, or one report over several: STUDY.yaml [STUDY.yaml ...] [key.path=value ...].

A further study file is told from a file that is laid over the study by having a `name`; overrides hold for all studies.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from lib.cli import parser, read_study, run_job
from lib.errors import UserError
from lib.outgoing import tell
from lib.study.load import FILES, read_tree


def work(arguments: Sequence[str]) -> int:
    """Plan, make sure that nothing is missing, report."""
    asked = parser("report", __doc__ or "")
    asked.add_argument("--out", type=Path, metavar="FOLDER", help="where the report over several studies goes")
    given = asked.parse_intermixed_args(arguments)
    files = [given.study, *(Path(one) for one in given.overrides if _is_study(one))]
    given.overrides = [one for one in given.overrides if not _is_study(one)]
    if given.out and len(files) == 1:
        raise UserError("--out is for a report over several studies: name another STUDY, or leave it out")
    from lib.plan import Lookup, make_plan
    from lib.runtime.outputs import merged_report, report
    from lib.store import Store

    plans = []
    for file in files:
        given.study = file
        study = read_study(given)
        lookup = Lookup(Store(study.storage))
        plan = make_plan(study, lookup, online=True)
        with lookup.store.at_once():
            missing = [node for node in plan.all_nodes() if not lookup.have(node)]
        if missing:
            raise UserError(
                f"{file}: {len(missing)} results are missing, first {missing[0].stage} {missing[0].title}: run jobs.sweep"
            )
        plans.append((plan, lookup))
    tell(report(*plans[0], arguments) if len(plans) == 1 else merged_report(plans, arguments, given.out))
    return 0


def _is_study(text: str) -> bool:
    """Is this argument a study of its own? What is laid over one has no name."""
    return "=" not in text and text.endswith(FILES) and "name" in read_tree(text)


if __name__ == "__main__":
    sys.exit(run_job(work))
