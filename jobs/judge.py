"""Judge every answer of a study, or those of a file that was made elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from lib.cli import parser, read_study, run_job, run_until
from lib.outgoing import tell


def work(arguments: Sequence[str]) -> int:
    """Parse, judge, say where things are."""
    options = parser("judge", __doc__ or "")
    options.add_argument(
        "--answers", metavar="FILE", type=Path,
        help="judge this file alone, by the judges of the study: prompt and answer, optionally kind and categories "
        "(.jsonl, .json, .csv, .parquet)",
    )  # fmt: skip
    options.add_argument("--out", metavar="FOLDER", type=Path, help="with --answers: write verdicts and metrics there")
    given = options.parse_intermixed_args(arguments)
    if given.out and not given.answers:
        options.error("--out is where the verdicts on --answers go")
    if not given.answers:
        return run_until("judge", __doc__ or "", "judge")(arguments)
    study = read_study(given)
    from lib.progress import Progress
    from lib.runtime.judge_file import judge_file

    tell(judge_file(study, given.answers, Progress(), given.out))
    return 0


if __name__ == "__main__":
    sys.exit(run_job(work))
