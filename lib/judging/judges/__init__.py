"""One file per judge; `lib.judging.judge.Judge` is the contract."""
