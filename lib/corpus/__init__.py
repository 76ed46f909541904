"""Instruction-response pairs: readers, text identity, built-in data. No Ray."""
