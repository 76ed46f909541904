"""What comes back from workers: a user's mistake as one line, wherever it was made."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from lib.errors import UserError
from lib.progress import Progress
from lib.runtime.session import ROOT, TOO_SLOW, Session, _user_error_behind, remote_errors, started_here


def full(number: int) -> None:
    """Fails as a storage does."""
    try:
        raise OSError(28, "No space left on device")
    except OSError as error:
        raise UserError(f"storage {number} is full") from error


@pytest.mark.ray
def test_a_mistake_in_a_task_is_raised_as_it_was(ray_session: Session) -> None:
    with pytest.raises(UserError, match=r"^storage 3 is full$"):
        list(ray_session.run_tasks(full, [(3,)]))


@pytest.mark.ray
def test_a_mistake_in_an_actor_of_ray_data_is_raised_as_it_was(ray_session: Session) -> None:
    class Fills:
        def __call__(self, batch: dict[str, object]) -> dict[str, object]:
            full(4)
            return batch

    data = ray_session.data
    rows = data.from_items([{"a": 1}]).map_batches(Fills, compute=data.ActorPoolStrategy(size=1))
    with pytest.raises(UserError, match=r"^storage 4 is full$"), remote_errors():
        rows.take_all()


@pytest.mark.ray
def test_a_mistake_at_the_start_of_an_actor_is_raised_as_it_was(ray_session: Session) -> None:
    import ray

    class Starts:
        def __init__(self, fails: bool) -> None:
            if fails:
                full(5)
            raise RuntimeError("broken")

        def ready(self) -> None:
            return

    for fails, kind, said in (
        (True, UserError, r"^storage 5 is full$"),
        (False, ray.exceptions.RayActorError, "broken"),
    ):
        actor = ray.remote(num_cpus=1)(Starts).remote(fails)
        with pytest.raises(kind, match=said), remote_errors():
            ray.get(actor.ready.remote())


def test_a_mistake_of_which_only_the_traceback_is_left_is_found_in_it() -> None:
    told = "RayTaskError: ...\nlib.errors.UserError: storage x is full: free some space\n\nThe above exception was ..."
    assert str(_user_error_behind(RuntimeError(told))) == "storage x is full: free some space"
    assert _user_error_behind(RuntimeError("he said lib.errors.UserError: no")) is None


FIRST = """
import sys
from lib.progress import Progress
from lib.runtime.session import Session
from lib.runtime.tally import tally
from lib.study.schema import Cluster

with Session(Cluster(max_gpus=0, cpus=4), Progress()) as session:
    import ray

    try:
        ray.put(1)
    except ray.exceptions.RaySystemError:
        print("nobody's Ray is joined")
    with tally(session, "embed", 1, "rows") as counter:
        ray.get(counter.add.remote(1))
        print("CPUs:", ray.cluster_resources()["CPU"])
"""


@pytest.mark.ray
def test_what_asks_for_ray_first_starts_it_and_joins_no_other() -> None:
    told = subprocess.run(
        [sys.executable, "-c", FIRST], cwd=ROOT, capture_output=True, text=True, timeout=180, check=False
    )
    assert told.stdout.splitlines() == ["nobody's Ray is joined", "CPUs: 4.0"], told.stderr[-3000:]
    assert "Ray started here" in told.stderr


def slow(times: int, words: str = f"The current node {TOO_SLOW}. This could happen because") -> Callable[..., str]:
    """Starts as Ray does on a busy machine: so many times not."""
    left = [words] * times

    def init(*, num_cpus: int) -> str:
        if left:
            raise Exception(left.pop())  # Ray raises no class of its own
        return f"up with {num_cpus}"

    return init


def test_a_local_ray_that_was_slow_to_start_is_started_once_more(capsys: pytest.CaptureFixture[str]) -> None:
    assert started_here(slow(1), {"num_cpus": 4}, Progress()) == "up with 4"
    assert capsys.readouterr().err.count("once more") == 1
    with pytest.raises(UserError, match="did not start on this machine within 15 s, twice"):
        started_here(slow(2), {"num_cpus": 4}, Progress())
    with pytest.raises(Exception, match=r"^another$"):
        started_here(slow(1, "another"), {"num_cpus": 4}, Progress())
