"""The log of a run on its way to a storage that is a bucket: sent at intervals and at the end, by a thread of its own.

A log is one object, which has no append. Lines are added to this machine's copy, which begins with what the bucket has, and the
whole of it is sent. Of two drivers on one study at once the log is that of the one who sent last. A bucket that cannot be
reached stops nobody here: who needs it says so.
"""

from __future__ import annotations

import contextlib
import threading
from types import TracebackType

from lib.errors import StorageError
from lib.status.journal import LOG_FILE
from lib.store.shared import Shared

SEND_S = 20.0
FILES = (LOG_FILE, f"{LOG_FILE}.1")


def bring_log(shared: Shared, folder: str) -> None:
    """Have a study's log on this machine, where the storage has more of it: a run that goes on here, or was killed here, has
    lines that were not sent yet.

    Raises:
        StorageError: it cannot be had.
    """
    for name in FILES:
        if (shared.size_bytes(f"{folder}/{name}") or 0) > _state(shared, folder, name)[0]:
            shared.bring(folder, only=(name,))


def _state(shared: Shared, folder: str, name: str) -> tuple[int, int]:
    try:
        told = (shared.root / folder / name).stat()
    except FileNotFoundError:
        return 0, 0
    return told.st_size, told.st_mtime_ns


class LogSender:
    """Keeps the log in a study's folder sent. Use as a context manager, around all that is told.

    Args:
        folder: of the study, as the storage calls it.
    """

    def __init__(self, shared: Shared, folder: str) -> None:
        self.shared, self.folder = shared, folder
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._sent: dict[str, tuple[int, int]] = {}

    def __enter__(self) -> LogSender:
        if self.shared.sends:
            with contextlib.suppress(StorageError):
                bring_log(self.shared, self.folder)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.shared.sends:
            self._ending.set()
            self._thread.join()
            self._send()

    def _run(self) -> None:
        while not self._ending.wait(SEND_S):
            self._send()

    def _send(self) -> None:
        for name in FILES:
            state = _state(self.shared, self.folder, name)
            if state[0] and state != self._sent.get(name):
                with contextlib.suppress(StorageError, FileNotFoundError):
                    self.shared.send(self.folder, [name])
                    self._sent[name] = state
