import pytest

from lib.training.schedule import learning_rate


def shape(total: int, warmup: int, schedule: str) -> list[float]:
    return [learning_rate(step, total, peak=8.0, warmup=warmup, schedule=schedule) for step in range(total)]


@pytest.mark.parametrize(
    ("total", "warmup", "schedule", "rates"),
    [
        (4, 0, "linear", [8, 6, 4, 2]),
        (4, 0, "constant", [8, 8, 8, 8]),
        (4, 0, "cosine", [8, 6.828427, 4, 1.171573]),
        (6, 3, "linear", [2, 4, 6, 8, 16 / 3, 8 / 3]),
        (6, 3, "constant", [2, 4, 6, 8, 8, 8]),
        (5, 1, "cosine", [4, 8, 6.828427, 4, 1.171573]),
        (2, 3, "linear", [2, 4]),
        (1, 0, "linear", [8]),
    ],
)
def test_shapes(total: int, warmup: int, schedule: str, rates: list[float]) -> None:
    assert shape(total, warmup, schedule) == pytest.approx(rates, abs=1e-6)


@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant"])
def test_the_peak_is_reached_once_and_no_step_learns_nothing(schedule: str) -> None:
    rates = shape(50, 10, schedule)
    assert max(rates) == rates[10] == 8
    assert all(rate > 0 for rate in rates)
    assert rates[:11] == sorted(rates[:11])
    assert rates[10:] == sorted(rates[10:], reverse=True)
