"""`jobs.sweep STUDY --gc`: what of the storage no study uses, as text, and freed when that is asked for."""

from __future__ import annotations

from lib.plan.family import make_plan
from lib.plan.lookup import Lookup
from lib.plan.node import STAGES
from lib.plan.stored import keys_of_plan, wanted_keys
from lib.progress import duration
from lib.store import Store
from lib.store.collect import Unwanted, free, unwanted
from lib.study.schema import Study

GRACE = "7d"


def collect(study: Study, *, grace_s: float, yes: bool) -> str:
    """List what no stored plan, and not this study either, uses, and free it where `yes`.

    Args:
        grace_s: what was published, or dropped from a plan, less than so long ago stays.

    Raises:
        UserError: the study cannot be planned, or a stored plan not be read.
    """
    store = Store(study.storage)
    found = unwanted(store, STAGES, _wanted(study, store), grace_s)
    if not found:
        return f"nothing to free in {store.shared.words}: plans use it all, or it is younger than the grace period"
    lines = [_line(one) for one in found]
    if not yes:
        return "\n".join([*lines, f"{_sum(found)} can be freed: give --yes to do it"])
    own = keys_of_plan(make_plan(study, Lookup(store)))
    freed = []
    for one in found:  # freeing takes its time, and another study may begin meanwhile
        still = wanted_keys(store).get(one.stage, set()) | set(own.get(one.stage, ()))
        if one.key not in still and free(store, one):
            freed.append(one)
    left = f"; {len(found) - len(freed)} changed meanwhile and stay" if len(freed) < len(found) else ""
    return "\n".join([*lines, f"freed {_sum(freed)}{left}"])


def _wanted(study: Study, store: Store) -> dict[str, set[str]]:
    keys = wanted_keys(store)
    for stage, own in keys_of_plan(make_plan(study, Lookup(store))).items():
        keys.setdefault(stage, set()).update(own)
    return keys


def _line(one: Unwanted) -> str:
    what = "" if one.whole else "  (left by a writer that was cut off)"
    return f"{one.stage:9} {one.key[:12]}  {_size(one.size_bytes):>9}  {_age(one.age_s)}{what}"


def _sum(found: list[Unwanted]) -> str:
    return f"{len(found)} folders, {_size(sum(one.size_bytes for one in found))}"


def _age(seconds: float) -> str:
    return f"{seconds / 86400:.0f} days old" if seconds >= 2 * 86400 else f"{duration(seconds)} old"


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
