"""Judges: an answer in, a verdict out. No Ray."""
