"""Which safety rows: the pool, strategies, selections. No Ray."""
