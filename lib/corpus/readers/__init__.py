"""One file per corpus format; `lib.corpus.reader.Reader` is the contract."""
