"""Submit a study to a Ray cluster, follow it, and return its exit code; submitted again, it is followed again."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from lib.cli import parser, run_job
from lib.errors import UserError


def work(arguments: Sequence[str]) -> int:
    """Parse, check, submit, follow."""
    from lib.runtime.submission import JOBS, PLACES, cluster_address, make_submission
    from lib.runtime.submit import submit

    options = parser("submit", __doc__ or "")
    options.add_argument("--address", metavar="URL", help="the cluster's dashboard (default: $RAY_API_SERVER_ADDRESS)")
    options.add_argument("--job", choices=JOBS, default="sweep", help="the job to run (default: sweep)")
    options.add_argument(
        "--smoke", action="store_true", help="first every stage on a few rows, with the real models; then the study"
    )
    options.add_argument("--driver", choices=PLACES, default="auto", help="where the driver runs (default: auto)")
    options.add_argument("--no-wait", action="store_true", help="return when the job is accepted")
    given = options.parse_intermixed_args(arguments)
    if given.smoke and given.job != "sweep":
        raise UserError(f"--smoke goes through every stage, and --job {given.job} through some: use one of the two")
    submission = make_submission(given.study, given.overrides, job=given.job, smoke=given.smoke)
    return submit(submission, cluster_address(given.address), wait=not given.no_wait, place=given.driver)


if __name__ == "__main__":
    sys.exit(run_job(work))
