"""Fine-tune every cell, or one alone."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from lib.cli import parser, read_study, run_job
from lib.errors import UserError
from lib.outgoing import tell


def work(arguments: Sequence[str]) -> int:
    """Parse, run, say where things are."""
    options = parser("train", __doc__ or "")
    options.add_argument("--cell", metavar="LABEL", help="train this cell alone, e.g. 'smollm2-135m sss_b-48'")
    options.add_argument(
        "--merged", metavar="FOLDER", type=Path, help="with --cell: write its model, merged, to FOLDER"
    )
    given = options.parse_intermixed_args(arguments)
    if given.merged and not given.cell:
        options.error("--merged writes one model: name it with --cell")
    study = read_study(given)
    if given.merged and given.merged.exists():
        raise UserError(f"--merged {given.merged} is there already: name a new folder")
    from lib.progress import Progress
    from lib.runtime.outputs import study_words, write_merged
    from lib.runtime.pipeline import run

    plan, lookup = run(study, Progress(), until="train", cell=given.cell)
    for node in plan.nodes("train"):
        if lookup.have(node):
            tell(f"train {plan.labels[str(node.key)]}: {lookup.words(node)}")
    if given.merged:
        tell(write_merged(plan, lookup, given.cell, given.merged))
    tell(f"study folder: {study_words(study)}")
    return 0


if __name__ == "__main__":
    sys.exit(run_job(work))
