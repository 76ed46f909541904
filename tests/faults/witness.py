"""What happens below a storage while others are killed: what was made twice, and what nobody came back for."""

from __future__ import annotations

import json
import threading
from collections import Counter
from pathlib import Path

LOOK_S = 0.1


class Witness(threading.Thread):
    """Looks at a storage again and again. Use as a context manager.

    A file of a resumable artifact that is there under two identities was written twice; a second attempt at another
    artifact made all of it twice.
    """

    def __init__(self, storage: Path) -> None:
        super().__init__(daemon=True)
        self.storage = storage
        self.seen: dict[Path, set[int]] = {}
        self._ending = threading.Event()

    def __enter__(self) -> Witness:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self.join()
        self.look()

    def run(self) -> None:
        while not self._ending.wait(LOOK_S):
            self.look()

    def look(self) -> None:
        for part in (self.storage / "artifacts").glob("*/*/parts/[!.]*.parquet"):
            self._note(part)
        for attempt in (self.storage / "artifacts").glob("*/*/[!p]*/"):
            self._note(attempt)

    def _note(self, path: Path) -> None:
        try:
            self.seen.setdefault(path, set()).add(path.stat().st_ino)
        except OSError:  # gone again
            return

    def redone(self) -> dict[str, int]:
        """Stage -> how many of its units (a block, a partition, a whole artifact) were made more than once."""
        found = Counter[str]()
        attempts = Counter[tuple[str, str]]()
        for path, identities in self.seen.items():
            if path.parent.name == "parts":
                found[path.parts[-4]] += len(identities) - 1
            else:
                attempts[path.parts[-3], path.parts[-2]] += 1
        for (stage, _), count in attempts.items():
            found[stage] += count - 1
        return {stage: count for stage, count in found.items() if count}


def left_over(storage: Path) -> list[str]:
    """What should be gone when a study has ended well: attempts that no manifest names, checkpoints, scratch, temporaries."""
    found = [
        *storage.rglob(".*"),
        *(storage / "checkpoints").glob("*"),
        *(storage / "scratch").glob("*"),
        *(attempt for attempt in (storage / "artifacts").glob("*/*/*/") if attempt.name != _winner(attempt.parent)),
    ]
    return sorted(str(path.relative_to(storage)) for path in found)


def _winner(place: Path) -> str:
    try:
        return str(json.loads((place / "manifest.json").read_text())["attempt"])
    except OSError:
        return ""
