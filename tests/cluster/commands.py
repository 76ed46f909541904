"""Commands as a document shows them, and what each program says to them: parsed by its own parser, and not run."""

from __future__ import annotations

import argparse
import importlib
import re
import shlex
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT


def shown(text: str) -> list[str]:
    """The commands (`$ ...`) of a Markdown text's console blocks."""
    blocks = re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def substituted(command: str) -> list[str]:
    """The commands inside a command's `$(...)`."""
    return re.findall(r"\$\(([^()]*)\)", command)


def piped(command: str) -> list[str]:
    """The commands of a pipe; what `$(...)` would give stands as `SUBSTITUTED`."""
    return re.split(r"\s\|\s", re.sub(r"\$\([^()]*\)", "SUBSTITUTED", command))


def words_of(command: str) -> list[str]:
    """The words of a command, of a pipe its first."""
    return shlex.split(piped(command)[0])


class Parsed(Exception):
    """Carries what a job's parser made of its arguments."""

    def __init__(self, given: Namespace) -> None:
        super().__init__()
        self.given = given


def parse_job(words: list[str], patch: pytest.MonkeyPatch) -> Namespace:
    """`python -m jobs.NAME ...`, by the job's own parser; nothing runs.

    Raises:
        SystemExit: the parser refuses it.
    """
    assert words[:2] == ["python", "-m"], words
    real = argparse.ArgumentParser.parse_intermixed_args

    def stop(self: argparse.ArgumentParser, *arguments: Any, **named: Any) -> Namespace:
        raise Parsed(real(self, *arguments, **named))

    work = importlib.import_module(words[2]).work
    with patch.context() as patched:
        patched.setattr(argparse.ArgumentParser, "parse_intermixed_args", stop)
        with pytest.raises(Parsed) as found:
            work(words[3:])
    return found.value.given


def parse_ray(words: list[str]) -> dict[str, object]:
    """`ray ...`, by the installed Ray's own command line; nothing runs.

    Raises:
        click.UsageError: it refuses it.
    """
    import click
    from ray.scripts.scripts import cli

    command: click.Command = cli
    name, rest = words[0], words[1:]
    while isinstance(command, click.Group):
        name, rest = rest[0], rest[1:]
        found = command.get_command(click.Context(command), name)
        assert found is not None, f"ray has no {name!r}"
        command = found
    return command.make_context(name, rest).params


def files_of(words: list[str]) -> list[Path]:
    """The files of the project that a command names."""
    return [ROOT / word for word in words if word.startswith(("cluster/", "jobs/", ".venv/")) and "*" not in word]
