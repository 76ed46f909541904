"""Sentence vectors and their clusters. No Ray."""
