"""Thin entries, one per job. Always run as modules from the repository root: `python -m jobs.sweep STUDY`."""
