"""Evaluation prompts, engine settings, and the answers they give. No Ray."""
