"""One file per strategy; `lib.sampling.strategy.Strategy` is the contract."""
