"""`python -m tests.benchmarks [--quick] [NAME ...]`: run benchmarks, print a table, write `results.json`."""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import sys
import time
import traceback

from lib.progress import duration
from tests import benchmarks
from tests.benchmarks.harness import Result, save, table


def main() -> int:
    """Every module of this package with a function `run(quick) -> list[Result]` is a benchmark. Exit code 1 if one failed."""
    names = [m.name for m in pkgutil.iter_modules(benchmarks.__path__) if m.name.startswith("bench_")]
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=main.__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(name.removeprefix('bench_') for name in names)}")
    parser.add_argument("--quick", action="store_true", help="smaller sizes")
    given = parser.parse_args()
    chosen = [f"bench_{name}" for name in given.names] or names
    unknown = sorted(set(chosen) - set(names))
    if unknown:
        parser.error(f"no such benchmark: {', '.join(unknown)}")
    os.environ.update({"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"})
    results: list[Result] = []
    spent, failed = dict[str, float](), list[str]()
    for name in chosen:
        started = time.perf_counter()
        try:
            found: list[Result] = importlib.import_module(f"tests.benchmarks.{name}").run(given.quick)
        except Exception:  # an hour of the others' measurements must not go with it
            traceback.print_exc()
            failed.append(name.removeprefix("bench_"))
            continue
        spent[name] = time.perf_counter() - started
        if not given.quick:  # small sizes are a smoke test and no measurement
            save(found)
        print(
            f"{name.removeprefix('bench_')}: {len(found)} rows in {duration(spent[name])}", file=sys.stderr, flush=True
        )
        results += found
    if not given.quick and chosen == names and not failed:
        save(results, alone=True)
    print(table(results))
    print(f"{duration(sum(spent.values()))} in all")
    missed = [r.name for r in results if r.met is False]
    print(f"{len(results)} comparisons, {len(missed)} targets missed{': ' + ', '.join(missed) if missed else ''}")
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
