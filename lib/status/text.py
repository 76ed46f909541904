"""How a study stands, as the lines of a terminal: what `jobs.sweep STUDY --status` prints."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

from lib.board import SHOWN, duration
from lib.reporting.words import one_line
from lib.status.standing import CELL_STATES, LastRun, Standing, standing
from lib.store import Store

QUIET_S = 900
"""A run that has told nothing for so long may be gone: its driver was killed, or it waits for machines."""


def status_text(name: str, folder: Path, store: Store, now: float | None = None) -> str:
    """The study of a folder in words.

    Args:
        name: of the study, for where nothing is found.
        now: seconds since 1970 (None: this moment).
    """
    found, where = standing(folder, store), f"{store.shared.words}/{store.name(folder)}"
    if found is None:
        return f"study {name} has not been run yet: there is no record of it in {where}"
    return "\n".join([f"study {found.study} in {where}", *_lines(found, time.time() if now is None else now)])


def _lines(found: Standing, now: float) -> list[str]:
    counts = Counter(found.cells.values())
    told = ", ".join(f"{counts[state]} {state}" for state in CELL_STATES)
    lines = [_run(found.run, now), f"cells: {told} (of {len(found.cells)}, the untouched models included)"]
    shown = list(found.run.training.values()) if counts["training"] else []
    for event in shown[:SHOWN]:
        steps = (
            f"step {event['step']:g} of {event['total']:g}, loss {event['loss']:.3f}" if "step" in event else "starting"
        )
        lines.append(f"  {one_line(str(event.get('cell')))}: {steps}")
    if len(shown) > SHOWN:
        lines.append(f"  and {len(shown) - SHOWN} more")
    lines.append("stages: " + ", ".join(f"{stage} {have}/{total}" for stage, (have, total) in found.stages.items()))
    for (prompts, judge), best in found.asr.items():
        lines.append(f"lowest asr so far: {best.value:.2f} (n {best.n}) on {prompts} by {judge}, {best.label}")
    if found.loss:
        lines.append(f"lowest held-out benign loss so far: {found.loss.value:.4f}, {found.loss.label}")
    return [*lines, *_errors(found), _left(found)]


def _run(run: LastRun, now: float) -> str:
    if run.heard is None:
        return "no log: nobody knows when it last ran"
    ago = age(now - run.heard)
    if run.ended:
        error = f" ({run.error}; its text is where the job was started)" if run.error else ""
        return f"not running: the last run ended {ago} ago, {run.ended}{error}"
    at = f"{run.stage} is running" if run.stage else "running, between two stages"
    doubt = "; nothing since: its driver was killed, or it waits for machines" if now - run.heard > QUIET_S else ""
    return f"{at} as of the last line of its log, {ago} ago{doubt}"


def _errors(found: Standing) -> list[str]:
    lines = []
    failed = [found.run.failed[key] for key in found.run.failed]
    for event in failed:
        if found.cells.get(str(event.get("cell"))) == "failed":
            reason = one_line(str(event.get("reason", "")))
            lines.append(f"  {event.get('error')}: cell {one_line(str(event.get('cell')))}: {reason}")
    if found.run.engines_lost:
        lines.append(f"  engines lost and started anew: {found.run.engines_lost}")
    if found.unanswered:
        lines.append(f"  prompts without an answer: {found.unanswered}")
    lines += [f"  answers without a verdict of {judge}: {count}" for judge, count in found.unread.items()]
    return ["errors:", *lines] if lines else ["errors: none"]


def _left(found: Standing) -> str:
    if all(have == total for have, total in found.stages.values()):
        return "time left: none, everything is there"
    told = found.expected
    if found.left_s is None or told is None:
        return "time left: not known"
    many = f"{told.devices} x " if told.devices > 1 else ""
    assumed = ", whose speed is assumed" if told.assumed else ""
    return f"time left: about {duration(found.left_s)} by the cost model ({many}{told.device}{assumed})"


def age(seconds: float) -> str:
    """`75` -> `75 s`; longer ones in minutes, hours, days."""
    seconds = max(0.0, seconds)
    for unit, size, most in (("s", 1, 120), ("min", 60, 7200), ("h", 3600, 2 * 86400)):
        if seconds < most:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86400:.0f} days"
