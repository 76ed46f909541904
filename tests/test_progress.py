import io

import pytest

from lib.progress import Progress, duration


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (75, "1:15"), (3675, "1:01:15")])
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_ticks_are_rate_limited_and_the_last_one_is_always_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    out = io.StringIO()
    progress = Progress(out, every_s=5)
    for seconds, done in ((0, 0), (1, 10), (2, 20), (6, 60), (10, 100)):
        clock[0] = 100.0 + seconds
        progress.tick("rows", done, 100, "rows", "loss 1.0" if done == 100 else "")
    assert out.getvalue().splitlines() == [
        "[ 0:00] rows: 0 of 100 rows",
        "[ 0:06] rows: 60 of 100 rows, 0:04 left",
        "[ 0:10] rows: 100 of 100 rows (loss 1.0)",
    ]
