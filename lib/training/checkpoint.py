"""Where a cell stands, written down so that any number of workers can go on from there.

    <folder>/step-00000100/part-0-of-2.safetensors   whole float32 tensors, `<slot>/<parameter>`, a share of them per worker
                           state.json                the cell's key, the step, the log so far

It holds the weights, Adam's moments, and what else goes along (a moving average, the best weights so far), as whole tensors by
parameter name, so that it depends neither on the ZeRO stage nor on the number of workers: one format for adapters and for
fully trained models. (DeepSpeed's own format is bound to both, and its universal form has no place for an average.) Each
worker writes every n-th tensor, so none holds them all, and a restore reads one at a time. A checkpoint is whole or absent
(`lib/store/shelf`): it is one when every worker has written. It carries its cell's key and is refused under another.

Two things are not in it because they are functions of what is: the data position (every step's rows follow from the seed,
`lib.training.mix`) and the random numbers (every step seeds its own, `lib.training.steps`).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from lib.errors import StorageError
from lib.files import storage_errors, write_text
from lib.store.place import Address
from lib.store.shelf import shelf_at
from lib.training.delta import DeltaEma
from lib.training.masters import Slot, gather, masters, moments, put, scatter, set_steps

MOMENTS = ("exp_avg", "exp_avg_sq")
DELTA = "delta"
STATE = "state.json"


class Checkpoints:
    """The checkpoints of one cell, in a folder that all workers see (`lib.store.place`). The newest one is kept."""

    def __init__(self, folder: Address, key: str, *, rank: int = 0, world: int = 1) -> None:
        self.shelf, self.key, self.rank, self.world = shelf_at(folder, STATE), key, rank, world

    def save(
        self, engine: Any, step: int, slots: Mapping[str, Slot], note: Mapping[str, Any], delta: DeltaEma | None = None
    ) -> None:
        """Write down `step` optimizer steps. Every worker calls it.

        Args:
            slots: what goes along with weights and moments, by name.
            note: JSON values.
            delta: an average that is not laid out as the weights are.

        Raises:
            StorageError: the storage is full or cannot be written.
        """
        from safetensors.torch import save_file

        mine = {}
        for number, (name, tensor) in enumerate(self._tensors(engine, slots, delta)):
            if number % self.world == self.rank:
                mine[name] = tensor.cpu().contiguous()
        target = f"step-{step:08d}"
        writing = self.shelf.writing(target, self._agreed(uuid.uuid4().hex[:12]))  # another driver may be at it too
        with self._together():
            writing.mkdir(parents=True, exist_ok=True)
            part = writing / f"part-{self.rank}-of-{self.world}.safetensors"
            save_file(mine, part, metadata={"step": str(step)})
            self.shelf.written(part)
        with self._together():
            if self.rank == 0:
                write_text(writing / STATE, json.dumps({"key": self.key, "step": step, "note": note}))
                self.shelf.finish(writing, target)
        self.shelf.leave(writing)

    def restore(
        self, engine: Any, slots: Mapping[str, Slot], delta: DeltaEma | None = None
    ) -> tuple[int, dict[str, Any]] | None:
        """Put the newest checkpoint into the engine and the slots. Every worker calls it.

        Returns:
            (optimizer steps done, the note), or None when there is no checkpoint.

        Raises:
            StorageError: it is not this cell's, or cannot be read.
        """
        with ExitStack() as stack:
            found = self._open_newest(stack)
            if found is None:
                return None
            path, about, whole = found
            if about["key"] != self.key:
                raise StorageError(
                    f"checkpoint {self.shelf.words(path.name)} belongs to cell {about['key']} and not to {self.key}: remove it"
                )
            set_steps(engine, about["step"])
            for name, slot in self._slots(engine, slots).items():
                scatter(engine, slot, _Under(whole, name))
                if name == "weights":
                    put(engine, slot)
            if delta:
                delta.fill(_Under(whole, DELTA))
        self.shelf.leave(path)  # whoever is slower has opened its files
        return about["step"], about["note"]

    def clear(self) -> None:
        """The cell has ended: nothing of it is needed here any more."""
        if self.rank == 0:
            with suppress(StorageError):
                self.shelf.clear()

    def _tensors(self, engine: Any, slots: Mapping[str, Slot], delta: DeltaEma | None) -> Iterator[tuple[str, Any]]:
        """(name in the file, whole tensor), in the same order on every worker."""
        for name, slot in self._slots(engine, slots).items():
            for parameter, tensor in gather(engine, slot):
                yield f"{name}/{parameter}", tensor
        for layer, tensor in delta.whole() if delta else ():
            yield f"{DELTA}/{layer}", tensor.clone()

    def _slots(self, engine: Any, more: Mapping[str, Slot]) -> dict[str, Slot]:
        weights = [fragment.clone() for fragment in masters(engine)]
        return {"weights": weights, **{name: moments(engine, name) for name in MOMENTS}, **more}

    def _open_newest(self, stack: ExitStack) -> tuple[Path, dict[str, Any], Any] | None:
        """Folder, state and tensors of the newest checkpoint. One that goes while it is fetched has given way to a newer one,
        of another driver or of a group that was taken for lost, and that is opened instead."""
        name = self._newest()
        while name is not None:
            try:
                with self._together():
                    try:
                        path = self.shelf.open(name)
                        about = json.loads((path / STATE).read_text())
                        return path, about, _open(path, about["step"], stack)
                    except (OSError, ValueError, KeyError) as error:
                        raise StorageError(
                            f"checkpoint {self.shelf.words(name)} is damaged ({error}): remove it, and the cell starts again"
                        ) from None
            except StorageError:
                before, name = name, self._newest()
                if name == before:
                    raise
        return None

    def _newest(self) -> str | None:
        """What rank 0 sees, since a shared file system may show the others something older."""
        found: list[str | None] = [None]
        with self._together():
            if self.rank == 0:
                found[0] = self.shelf.newest()
        name: str | None = self._agreed(found[0])
        return name

    def _agreed(self, value: Any) -> Any:
        """Rank 0's value, on every worker."""
        box = [value]
        if self.world > 1:
            import torch.distributed as dist

            dist.broadcast_object_list(box, src=0)
        return box[0]

    @contextmanager
    def _together(self) -> Iterator[None]:
        """What is done inside succeeds on every worker or on none, so that they stay in step.

        Raises:
            StorageError: what the first of them met.
        """
        error: StorageError | None = None
        try:
            with storage_errors(self.shelf.folder):
                yield
        except StorageError as met:
            error = met
        told: list[Any] = [error and str(error)]
        if self.world > 1:
            import torch.distributed as dist

            told = [None] * self.world
            dist.all_gather_object(told, error and str(error))
        if first := next((text for text in told if text), None):
            raise StorageError(first) from error


def _open(path: Path, step: int, stack: ExitStack) -> dict[str, Any]:
    """Name -> the open file that holds it. Tensors are read when they are asked for.

    Raises:
        ValueError: no such files, or damaged ones.
    """
    from safetensors import SafetensorError, safe_open

    found: dict[str, Any] = {}
    parts = sorted(path.glob("part-*-of-*.safetensors"))
    wanted = int(parts[0].stem.rsplit("-", 1)[-1]) if parts else 1
    if len(parts) != wanted:
        raise ValueError(f"{len(parts)} of {wanted} parts are there")
    for part in parts:
        try:
            file = stack.enter_context(safe_open(part, framework="pt"))
        except SafetensorError as error:
            raise ValueError(f"{part.name}: {error}") from None
        if (file.metadata() or {}).get("step") != str(step):
            raise ValueError(f"{part.name} is of another step")
        found |= dict.fromkeys(file.keys(), file)
    return found


class _Under(Mapping[str, Any]):
    """The tensors of one slot by parameter name, read one at a time."""

    def __init__(self, files: Mapping[str, Any], slot: str) -> None:
        self.files, self.slot = files, slot

    def __getitem__(self, parameter: str) -> Any:
        name = f"{self.slot}/{parameter}"
        return self.files[name].get_tensor(name)

    def __iter__(self) -> Iterator[str]:
        prefix = f"{self.slot}/"
        return (name.removeprefix(prefix) for name in self.files if name.startswith(prefix))

    def __len__(self) -> int:
        return sum(1 for _ in self)
