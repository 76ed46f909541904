"""What the driver sees of training: progress lines, groups that end, groups that never start."""

from __future__ import annotations

import threading
from typing import Any

from lib.board import Board
from lib.errors import UserError
from lib.runtime.causes import cause_of
from lib.runtime.session import Session, remote_errors

POLL_S = 0.5


class Watcher(threading.Thread):
    """Turns queue events into progress lines, and gives up when every group has ended, or is silent, with cells left."""

    def __init__(
        self, session: Session, queue: Any, groups: dict[Any, str], labels: dict[str, str], total: int | None = None
    ) -> None:
        super().__init__(daemon=True)
        self.session, self.queue, self.groups, self.labels = session, queue, dict(groups), labels
        self.total = total or len(labels)
        self.error, self.user = "every worker group has ended", False
        self._ending = threading.Event()
        self.finished = 0
        self.board = Board(total=self.total)
        session.progress.show(self.board)

    def stop(self) -> None:
        """Show what has come in since, and end."""
        self._ending.set()
        self.join(timeout=5)
        self.session.progress.show(None)

    def run(self) -> None:
        import ray

        seen, ending = 0, False
        while not ending:
            ending = self._ending.wait(POLL_S)
            try:
                seen, events = ray.get(self.queue.since.remote(seen))
                for event in events:
                    self._show(event)
                if self.groups and not ending:
                    self._check_groups()
                    self._check_silence()
            except ray.exceptions.RayError:
                return

    def _show(self, event: dict[str, Any]) -> None:
        progress, label = self.session.progress, self.labels[event["key"]]
        self._observe(event, label)
        if event["kind"] == "step":
            self.board.step(label, event["done"], event["total"])
            if progress.live:
                progress.redraw()
                return
            note = f"loss {event['loss']:.3f}; cell {self.finished + 1} of {self.total}"
            progress.tick(f"train {label}", event["done"], event["total"], "steps", note)
        elif event["kind"] == "say":
            progress.say(f"train {label}: {event['text']}")
        elif event["kind"] == "start":
            self.board.start(label)
            progress.say(f"train {event['text']}")
        elif event["kind"] == "look":
            progress.say(f"train {label}: looked at after step {event['step']}")
        elif "stopped" in event:
            self.finished += 1
            self.board.stop(label)
            progress.say(f"train {label}: stopped at step {event['stopped']}")
        elif "left" not in event:
            self.finished += 1
            self.board.end(label, None if "error" in event else event["metrics"]["holdout_loss"])
            if "error" in event:
                progress.say(f"train {label}: FAILED: {event['error']}")
            else:
                m = event["metrics"]
                progress.say(
                    f"train {label}: done in {m['wall_s']:.0f} s, held-out benign loss {m['holdout_loss']:.4f}"
                )

    def _observe(self, event: dict[str, Any], label: str) -> None:
        observer, key = self.session.observer, event["key"]
        if event["kind"] == "step":
            observer.cell_step(key, label, event["done"], event["total"], event["loss"])
        elif event["kind"] == "start":
            observer.cell_started(key, label)
        elif event["kind"] == "end":
            observer.cell_ended(key, label, event)

    def _check_groups(self) -> None:
        """A group that ended leaves its cells to the others; the last one's end is the end of all that have no outcome."""
        import ray

        ended, _ = ray.wait(list(self.groups), num_returns=len(self.groups), timeout=0)
        for reference in ended:
            ray.get(self.queue.release.remote(self.groups.pop(reference)))
            try:
                with remote_errors():
                    ray.get(reference)
            except UserError as error:
                self.error, self.user = str(error), True
            except Exception as error:  # the group's fault, whatever it was, is shown with the cells it cost
                self.error = f"the worker group ended: {cause_of(error)}"
        if ended and not self.groups:
            ray.get(self.queue.give_up.remote(self.error, self.user))

    def _check_silence(self) -> None:
        """Ray waits for ever for processes that cannot be placed."""
        import ray

        deadline = self.session.cluster.start_deadline_s
        if ray.get(self.queue.silent_s.remote()) > deadline:
            error = (
                f"no training worker was heard of for {deadline} s: the cluster may lack the CPUs or GPUs that "
                "train.workers asks for (see its dashboard)"
            )
            ray.get(self.queue.give_up.remote(error, False))
