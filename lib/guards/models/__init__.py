"""One file per guard model; `lib.guards.guard.Guard` is the contract."""
