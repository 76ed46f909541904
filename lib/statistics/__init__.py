"""Intervals and metrics. No Ray."""
