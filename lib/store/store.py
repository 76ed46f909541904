"""The artifact store: write to a private attempt, publish by one atomic step, never show anything half-written.

    <root>/artifacts/<stage>/<key>/<attempt>/...      files of one attempt
    <root>/artifacts/<stage>/<key>/manifest.json      names the winning attempt, created only if absent

Correctness rests on one fact alone: `manifest.json` appears in one exclusive step (a hard link, which fails when the
name exists), after every file of the attempt is on disk. Two drivers on one key both work; the second to finish finds
the manifest there and discards its own attempt. A killed writer leaves an attempt without a manifest, which nobody reads
and the next writer of that key on the same machine removes once its owner is gone.

Stages whose files each stand alone (partitions, blocks of answers) write into a folder that attempts of one key share,
`parts`: each file is written whole or not at all, any of them is as good as another's, and who comes after a kill makes
the missing ones only.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lib.errors import UserError
from lib.files import storage_errors, sync
from lib.names import is_inside
from lib.store.digest import digest_file

MANIFEST = "manifest.json"
OWNER = ".owner.json"
PARTS = "parts"
"""The shared folder of resumable attempts."""


@dataclass(frozen=True)
class Artifact:
    """A published artifact: the folder of the winning attempt and its manifest."""

    folder: Path
    manifest: dict[str, Any]

    @property
    def facts(self) -> dict[str, Any]:
        """What the stage said about its result: counts, metrics, content digests."""
        facts: dict[str, Any] = self.manifest["facts"]
        return facts


@dataclass
class Attempt:
    """A private folder to write into, and the facts to publish with it."""

    folder: Path
    facts: dict[str, Any] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)
    """Recorded but never identity: versions, device, workers, wall time."""
    files: set[str] | None = None
    """Names of the files that make up the result (None: all that are there)."""


class Store:
    """Artifacts under one root folder (a local or shared file system). Cheap to make, safe to send to a worker."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    def _place(self, stage: str, key: str) -> Path:
        return self.root / "artifacts" / stage / key

    def find(self, stage: str, key: str | None, *, verify: bool = False) -> Artifact | None:
        """The artifact under this key, or None when it is absent or its files disagree with its manifest.

        Args:
            verify: check the files' digests too, not only their sizes.
        """
        if key is None:
            return None
        place = self._place(stage, key)
        try:
            manifest = json.loads((place / MANIFEST).read_text())
            folder = place / manifest["attempt"]
            if not all(map(is_inside, (manifest["attempt"], *manifest["files"]))):
                return None
            for name, entry in manifest["files"].items():
                path = folder / name
                if path.stat().st_size != entry["bytes"] or (verify and digest_file(path) != entry["sha256"]):
                    return None
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return Artifact(folder, manifest)

    def need(self, stage: str, key: str) -> Artifact:
        """The artifact under this key.

        Raises:
            UserError: it is not there (removed by hand while the study ran, or a storage that is not shared).
        """
        artifact = self.find(stage, key)
        if artifact is None:
            raise UserError(
                f"artifact {stage}/{key} is not under {self.root}: run the same command again "
                "(on several machines the storage must be a shared folder)"
            )
        return artifact

    @contextlib.contextmanager
    def attempt(self, stage: str, key: str, identity: dict[str, Any], *, resumable: bool = False) -> Iterator[Attempt]:
        """Write one artifact: yields an attempt; publishes it when the block ends, discards it when it raises.

        Args:
            identity: what the key was made of, recorded so that a person can read a key back.
            resumable: keep the files of an attempt that was cut off, for the next one to go on from. Every file must
                then be written atomically and be valid by itself, and `attempt.files` must name those that count.

        Raises:
            UserError: the storage is full or cannot be written.
        """
        place = self._place(stage, key)
        started, begun = time.monotonic(), time.time()
        with storage_errors(self.root):
            place.mkdir(parents=True, exist_ok=True)
            self._sweep(place)
            folder = place / (PARTS if resumable else uuid.uuid4().hex[:12])
            folder.mkdir(exist_ok=resumable)
            if resumable:
                _remove_damaged(place, folder)
            else:
                write_owner(folder)
        attempt = Attempt(folder)
        try:
            with storage_errors(self.root):
                yield attempt
                files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != OWNER)
                if attempt.files is not None:
                    files = [p for p in files if p.relative_to(folder).as_posix() in attempt.files]
                manifest = {
                    "stage": stage,
                    "key": key,
                    "attempt": folder.name,
                    "identity": identity,
                    "facts": attempt.facts,
                    "about": {**attempt.about, "wall_s": round(time.monotonic() - started, 3)},
                    "files": {
                        p.relative_to(folder).as_posix(): {"bytes": p.stat().st_size, "sha256": digest_file(p)}
                        for p in files
                    },
                }
                for path in files:
                    sync(path)
                if not _create_once(place / MANIFEST, json.dumps(manifest, indent=1, sort_keys=True)):
                    self._yield_to_winner(stage, key, place, folder, manifest)
                (folder / OWNER).unlink(missing_ok=True)
                if resumable:
                    _remove_temporaries(folder, older_than=begun)
                    if attempt.files is not None:  # parts of another cut are part of nothing
                        for path in set(folder.glob("[!.]*")) - {folder / name for name in attempt.files}:
                            path.unlink(missing_ok=True)
        except BaseException:
            if not resumable:
                shutil.rmtree(folder, ignore_errors=True)
            raise

    def prepare(self) -> None:
        """Make the root, and make sure that it can be written, before anything is started.

        Raises:
            UserError: it cannot.
        """
        with storage_errors(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            probe = self.root / f".probe-{uuid.uuid4().hex[:12]}"
            probe.write_text("")
            probe.unlink()

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder on the shared storage for what nobody reads later; those of dead processes of this machine are removed."""
        place = self.root / "scratch"
        with storage_errors(self.root):
            place.mkdir(parents=True, exist_ok=True)
            self._sweep(place)
            folder = place / uuid.uuid4().hex[:12]
            folder.mkdir()
            write_owner(folder)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def checkpoints(self, key: str) -> Path:
        """Where a cell that is being trained is written down on the way. It is gone when the cell has ended."""
        return self.root / "checkpoints" / key

    def _yield_to_winner(self, stage: str, key: str, place: Path, folder: Path, manifest: dict[str, Any]) -> None:
        """Another attempt has a manifest: keep it if it is whole, take its place if it is damaged."""
        winner = self.find(stage, key)
        if winner is not None:
            if folder.name not in (PARTS, winner.folder.name):
                shutil.rmtree(folder, ignore_errors=True)
            return
        damaged = place / f"{MANIFEST}.refused-{uuid.uuid4().hex[:12]}"
        with contextlib.suppress(FileNotFoundError):
            (place / MANIFEST).rename(damaged)
        lost = not _create_once(place / MANIFEST, json.dumps(manifest, indent=1, sort_keys=True))
        if lost and folder.name != PARTS:
            shutil.rmtree(folder, ignore_errors=True)

    def _sweep(self, place: Path) -> None:
        """Remove attempts of dead processes of this machine. Others are left alone: they may be alive elsewhere."""
        winner = None
        with contextlib.suppress(OSError, ValueError, AttributeError):  # a damaged manifest names no winner
            winner = json.loads((place / MANIFEST).read_text()).get("attempt")
        for owner in place.glob(f"*/{OWNER}"):
            try:
                who = json.loads(owner.read_text())
                dead = who["host"] == socket.gethostname() and not alive(int(who["pid"]))
            except (OSError, ValueError, KeyError, TypeError):
                continue
            if dead and owner.parent.name != winner:
                shutil.rmtree(owner.parent, ignore_errors=True)


def _remove_damaged(place: Path, folder: Path) -> None:
    """Remove the shared files that disagree with a manifest, so that they are made again."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        manifest = json.loads((place / MANIFEST).read_text())
        for name, entry in manifest["files"].items() if manifest["attempt"] == folder.name else ():
            path = folder / name
            if path.exists() and digest_file(path) != entry["sha256"]:
                path.unlink()


def _remove_temporaries(folder: Path, older_than: float) -> None:
    """Remove what killed writers left half-written; the temporaries of living ones are younger than this attempt."""
    for path in folder.glob(".*"):
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < older_than:
                path.unlink()


def _create_once(path: Path, text: str) -> bool:
    """Create `path` with this content in one step. False when it exists already."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}")
    temporary.write_text(text)
    sync(temporary)
    try:
        os.link(temporary, path)
    except FileExistsError:
        # A network file system may have made the link, lost its answer, and been asked again.
        return temporary.stat().st_nlink > 1
    finally:
        temporary.unlink()
    sync(path.parent)
    return True


def write_owner(folder: Path) -> None:
    """Mark a folder as this process's own."""
    (folder / OWNER).write_text(json.dumps({"host": socket.gethostname(), "pid": os.getpid()}))


def alive(pid: int) -> bool:
    """Is there such a process on this machine?"""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
