"""Ingest and embed the corpus and its references, and cluster them."""

from __future__ import annotations

import sys

from lib.cli import run_job, run_until

if __name__ == "__main__":
    sys.exit(run_job(run_until("embed", __doc__ or "", "cluster")))
