"""What happened in a study's runs, as JSON Lines: `<storage>/studies/<name>/log.jsonl`, one event a line, for machines to read.

Every line says when, which study, run and stage, and where there is one which cell, by its label and its key. What is told
are names and numbers: never an answer, a prompt or a row of a corpus. Text is told of fine-tunes that failed alone, which
see token ids and no text, with values of secret environment variables taken out.

A line is one append to a file that is opened for it, so that several processes may write and a reader sees whole lines. The
file is moved to `log.jsonl.1` when it is full, and what was there before goes. A log that cannot be written stops nobody.
"""

from __future__ import annotations

import datetime
import json
import logging
import math
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lib.outgoing import redacted

LOG_FILE = "log.jsonl"
MAX_BYTES = 8 << 20
"""Of one file; there are at most two."""
TEXT_CHARS = 300
SECRET = re.compile(r"TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL|API_?KEY|ACCESS_KEY", re.IGNORECASE)
SECRET_CHARS = 6
"""Shorter values are no secrets, and are found in every other word."""
LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class Journal:
    """Writes the events of one run.

    Args:
        always: fields of every line (`study`, `run`).
    """

    def __init__(self, folder: Path, **always: str) -> None:
        self.always = always
        self.logger = logging.Logger("ballast.journal")  # of nobody's tree: its lines go nowhere else
        handler = LinesHandler(folder / LOG_FILE)
        handler.setFormatter(JsonFormatter())
        self.logger.addHandler(handler)

    def write(self, event: str, level: str = "info", **fields: Any) -> None:
        """One line. Fields that are None are left out."""
        told = {name: value for name, value in {**self.always, **fields}.items() if value is not None}
        self.logger.log(LEVELS[level], event, extra={"fields": told})


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON; numbers that JSON has none for are null."""

    def format(self, record: logging.LogRecord) -> str:
        """`{"time": ..., "level": ..., "event": ..., **fields}`."""
        when = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        told = {
            "time": when.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(), "event": record.getMessage(), **getattr(record, "fields", {}),
        }  # fmt: skip
        return json.dumps({name: _plain(value) for name, value in told.items()}, ensure_ascii=False)


class LinesHandler(logging.Handler):
    """Appends to a file that may have other writers, and keeps it small."""

    def __init__(self, path: Path, max_bytes: int = MAX_BYTES) -> None:
        super().__init__()
        self.path, self.max_bytes = path, max_bytes

    def emit(self, record: logging.LogRecord) -> None:
        """One line, in one write."""
        try:
            line = f"{self.format(record)}\n".encode()
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self.path.exists() and self.path.stat().st_size + len(line) > self.max_bytes:
                os.replace(self.path, earlier(self.path))
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                os.write(descriptor, line)
            finally:
                os.close(descriptor)
        except Exception as error:  # the run says by itself that its storage is full
            logging.getLogger(__name__).debug("%s is not written: %r", self.path, error)


def earlier(path: Path) -> Path:
    """Where a full log goes."""
    return path.with_name(f"{path.name}.1")


def events(folder: Path) -> Iterator[dict[str, Any]]:
    """The events of a study's folder, oldest first. What is no line of a log is passed over."""
    for path in (earlier(folder / LOG_FILE), folder / LOG_FILE):
        try:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
        for line in lines:
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict) and isinstance(event.get("event"), str):
                yield event


def clean(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """A failure's text for the log: one line, not long, without secrets: those of environment variables by name, others as
    everywhere (`lib/outgoing`)."""
    for name, value in environment.items():
        if SECRET.search(name) and len(value) >= SECRET_CHARS:
            text = text.replace(value, f"[{name}]")
    return " ".join(redacted(text).split())[:TEXT_CHARS]


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, str):
        return "".join(c if c.isprintable() else " " for c in value)
    return value
