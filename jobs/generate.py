"""Answer every prompt set with every cell."""

from __future__ import annotations

import sys

from lib.cli import run_job, run_until

if __name__ == "__main__":
    sys.exit(run_job(run_until("generate", __doc__ or "", "generate")))
