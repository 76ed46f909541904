"""Behavior: is the answer a refusal, is the request harmful, which type follows, which categories. No Ray."""
