"""Models: where they come from, how an instruction becomes token ids. No Ray."""
