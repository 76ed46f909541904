"""Intervals, metrics, and what they say about strategies. No Ray.

`metrics` and `results` are one row per cell, over prompts. Everything else is about arms, whose unit is a training run:
`arms` reads them from a finished plan, `means`, `compare`, `trend`, `pareto` and `equal` say something of them, `study` says
most of it at once.
"""
