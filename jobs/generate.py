"""Answer every prompt set with every cell, or with one model that is named."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from lib.cli import parser, read_study, run_job, run_until
from lib.outgoing import tell


def work(arguments: Sequence[str]) -> int:
    """Parse, run, say where the answers are."""
    what = __doc__ or ""
    options = parser("generate", what)
    options.add_argument("--model", metavar="SOURCE", help="ask this model alone (a folder, ...), and train nothing")
    given = options.parse_intermixed_args(arguments)
    if given.model is None:
        return run_until("generate", what, "generate")(arguments)
    study = read_study(given)
    from lib.progress import Progress
    from lib.runtime.answer_alone import answer_alone

    for name, path in answer_alone(study, given.model, Progress()).items():
        tell(f"{name}: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(run_job(work))
