"""Do the other machines of a cluster see the storage? Asked before anything is computed, and not found out by its loss."""

from __future__ import annotations

import time
import uuid
from pathlib import Path

from lib.errors import UserError
from lib.store.shared import Shared

ASK_S = 60
"""A machine that has not answered by then is busy or gone; that is told by the work it is given."""
LOOKS = 3
"""A network file system may show what is new a moment later."""


def refuse_unseen(shared: Shared) -> None:
    """Ask every other machine that takes work for a file that is written here. A bucket is seen by all.

    Raises:
        UserError: one of them does not see it.
    """
    if shared.sends:
        return
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    own = ray.get_runtime_context().get_node_id()
    others = {
        node["NodeID"]: node["NodeManagerAddress"]
        for node in ray.nodes()
        if node["Alive"] and node["NodeID"] != own and node["Resources"].get("CPU")
    }
    if not others:
        return
    name = f".probe-{uuid.uuid4().hex[:12]}"
    shared.write(name, b"")
    try:
        asked = {
            ray.remote(_sees).options(
                num_cpus=0, max_retries=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)
            ).remote(str(shared.root / name)): address
            for node, address in others.items()
        }  # fmt: skip
        answered, late = ray.wait(list(asked), num_returns=len(asked), timeout=ASK_S)
        for one in late:
            ray.cancel(one, force=True)
        for one in answered:
            try:
                seen = ray.get(one)
            except ray.exceptions.RayError:  # it went while it was asked
                continue
            if not seen:
                raise UserError(
                    f"storage {shared.words} is not seen by the machine {asked[one]}, and on several machines all must see it: "
                    "give a folder of a shared file system, or storage=s3://bucket/prefix (gs://)"
                )
    finally:
        shared.delete(name)


def _sees(path: str) -> bool:
    for number in range(LOOKS):
        if Path(path).exists():
            return True
        time.sleep(0 if number + 1 == LOOKS else 1)
    return False
