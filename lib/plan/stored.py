"""The keys that studies use, kept beside the artifacts: `<storage>/plans/<study>.json`.

Nothing is ever computed from them. They are there so that what a store holds can be told from what somebody still wants
(`lib/store/collect`). While a study runs, its earlier plan stands beside the one that is becoming known, stage by stage;
when it has ended its latest plan stands alone, and the grace period of what it no longer uses begins.
"""

from __future__ import annotations

import json
from collections import defaultdict

from lib.errors import UserError
from lib.files import storage_errors
from lib.plan.plan import Plan
from lib.store import Store
from lib.store.collect import touch

FOLDER = "plans"
Keys = dict[str, set[str]]
"""Stage -> keys."""


def keys_of_plan(plan: Plan) -> Keys:
    """The keys of all nodes that have one."""
    found = defaultdict[str, set[str]](set)
    for node in plan.all_nodes():
        if node.key is not None:
            found[node.stage].add(node.key)
    return dict(found)


def store_plan(plan: Plan, store: Store, *, ended: bool) -> None:
    """Write down what a study uses.

    Args:
        ended: this is all that it uses; otherwise what its stored plan has is kept beside it.

    Raises:
        UserError: the storage cannot be written, or the stored plan cannot be read.
    """
    name = f"{FOLDER}/{plan.study.name}.json"
    before, now = _read(store, name), keys_of_plan(plan)
    dropped = {stage: keys - now.get(stage, set()) for stage, keys in before.items()}
    for stage, keys in dropped.items():
        for key in keys:
            if ended:
                touch(store, stage, key)
            else:
                now.setdefault(stage, set()).add(key)
    if now != before:
        told = {"study": plan.study.name, "keys": {stage: sorted(keys) for stage, keys in sorted(now.items())}}
        with storage_errors(store.root):
            store.shared.write(name, f"{json.dumps(told, indent=1)}\n".encode())


def forget_plan(name: str, store: Store) -> None:
    """Nobody wants any more what this study uses."""
    with storage_errors(store.root):
        store.shared.delete(f"{FOLDER}/{name}.json")


def wanted_keys(store: Store) -> Keys:
    """What any stored plan uses.

    Raises:
        UserError: one of them cannot be read.
    """
    found: Keys = {}
    for name in store.shared.names(FOLDER):
        for stage, keys in _read(store, f"{FOLDER}/{name}").items() if name.endswith(".json") else ():
            found.setdefault(stage, set()).update(keys)
    return found


def _read(store: Store, name: str) -> Keys:
    try:
        text = store.shared.read(name)
        if text is None:
            return {}
        keys = json.loads(text)["keys"]
        return {str(stage): {str(key) for key in found} for stage, found in keys.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise UserError(
            f"{store.shared.words}/{name} cannot be read, so that nobody knows what its study uses: remove it and run that "
            "study again"
        ) from None
