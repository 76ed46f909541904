"""How a sweep stands, as text and at the foot of a terminal."""

import io

import pytest

from lib.board import Board
from lib.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def screen(written: str) -> list[str]:
    """What a terminal shows after this: it knows line feeds, `up n lines` and `clear to the end`."""
    lines: list[str] = []
    for piece in written.replace("\x1b[0J", "").split("\x1b["):
        number, up, rest = piece.partition("F")
        if up and number.isdigit():
            del lines[len(lines) - int(number) :]
        else:
            rest = piece
        lines += rest.splitlines()
    return lines


def board() -> Board:
    made = Board(total=8, begun=100.0)
    for label in ("a", "b", "c", "d"):
        made.start(label)
    made.end("a", float("nan"))
    made.end("b", 2.25)
    made.end("c", None)
    made.step("d", 5, 10)
    made.start("e")
    return made


def test_the_board_counts_and_tells_the_best_and_the_time_left() -> None:
    assert board().lines(170.0) == [
        "cells: 2 done, 2 running, 1 failed, 3 waiting; about 1:30 left",
        "lowest held-out benign loss so far: 2.2500, b",
        "  d: step 5 of 10",
        "  e: starting",
    ]


def test_a_cell_that_a_search_stopped_is_none_of_those_to_come() -> None:
    made = board()
    made.stop("e")
    assert made.lines(170.0)[0] == "cells: 2 done, 1 running, 1 failed, 3 waiting; about 1:10 left"


def test_an_empty_board_promises_nothing() -> None:
    assert Board(total=2, begun=0.0).lines(9.0) == ["cells: 0 done, 0 running, 0 failed, 2 waiting"]


def test_of_many_running_cells_a_few_are_listed() -> None:
    made = Board(total=9)
    for number in range(9):
        made.start(f"cell {number}")
    assert made.lines(made.begun)[-2:] == ["  cell 3: starting", "  and 5 more"]


def test_a_terminal_has_the_lines_and_one_board_under_them(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    out = Terminal()
    progress, made = Progress(out), Board(total=2, begun=100.0)
    progress.show(made)
    progress.say("first")
    made.start("x" * 100)
    progress.redraw()
    clock[0] += 1
    progress.say("second")
    assert screen(out.getvalue()) == [
        "[ 0:00] first",
        "[ 0:01] second",
        "cells: 0 done, 1 running, 0 failed, 1 waiting",
        "  " + "x" * 57,
    ]
    progress.show(None)
    progress.say("third")
    assert screen(out.getvalue()) == ["[ 0:00] first", "[ 0:01] second", "[ 0:01] third"]


@pytest.mark.parametrize("term", ["dumb", None])
def test_without_a_terminal_there_are_lines_alone(monkeypatch: pytest.MonkeyPatch, term: str | None) -> None:
    monkeypatch.setenv("TERM", term or "xterm")
    out = Terminal() if term else io.StringIO()
    progress = Progress(out)
    progress.show(board())
    progress.redraw()
    progress.say("first")
    assert out.getvalue() == "[ 0:00] first\n"
