"""Judge every answer."""

from __future__ import annotations

import sys

from lib.cli import run_job, run_until

if __name__ == "__main__":
    sys.exit(run_job(run_until("judge", __doc__ or "", "judge")))
