"""One file per labeler; `lib.behavior.labeler.Labeler` is the contract."""
