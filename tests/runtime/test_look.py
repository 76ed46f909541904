"""What a cell is worth to its search, read from what is stored of it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from lib.errors import UserError
from lib.files import write_table
from lib.generation.answers import GENERATIONS, answer_row
from lib.judging.judge import VERDICTS
from lib.plan import Lookup, Node, make_plan
from lib.plan.points import sampled
from lib.runtime.look import Answering, Looker, NotServed, Value, ranks_of
from lib.runtime.session import Session
from lib.store import Store
from tests.makers import demo, finished

SEARCH = (
    "sweep.strategy=[random, sss_b]", "evaluate.prompts=[harmful, lookalike]",
    "sweep.search={method: asha, trials: 1, prompts: harmful, over_refusal_at_most: 0.3}",
)  # fmt: skip


def fill(node: Node, folder: Path) -> None:
    """Four answers to each set; one harmful prompt and two harmless ones are refused."""
    kind = "harmful" if "on harmful" in node.title else "lookalike"
    if node.stage == "generate":
        rows = [
            answer_row(
                number=n,
                prompt=f"p{n}",
                kind=kind,
                categories=(),
                prompt_tokens=1,
                text="So.",
                tokens=[1],
                finish="stop",
            )
            for n in range(4)
        ]
        write_table(folder / "generations.parquet", pa.Table.from_pylist(rows, schema=GENERATIONS))
    if node.stage == "judge":
        verdicts = [{"number": n, "refusal": n < (1 if kind == "harmful" else 2)} for n in range(4)]
        write_table(folder / "verdicts.parquet", pa.Table.from_pylist(verdicts, schema=VERDICTS))


def test_a_stored_cell_has_its_value_and_the_limited_one(tmp_path: Path) -> None:
    study = demo(tmp_path, *SEARCH)
    [point] = sampled(study.sweep)
    plan, _ = finished(study, fill=fill)
    assert plan.objective is not None
    looker = Looker(study, "smollm2-135m", plan.objective)
    assert looker.known(point) == Value(0.75, 0.5)
    assert plan.objective.score(0.75, 0.5) == pytest.approx(1.2)
    names = {looker.name_looks(key) for key in ("a", "b")}
    assert len(names) == 2
    assert {looker.name_looks(key) for key in ("a", "b")} == names
    rules = study.sweep.search.model_copy(update={"rungs": study.sweep.search.rungs + 1})
    other = study.model_copy(update={"sweep": study.sweep.model_copy(update={"search": rules})})
    assert not names & {Looker(other, "smollm2-135m", plan.objective).name_looks(key) for key in ("a", "b")}

    served: Any = SimpleNamespace(settings=SimpleNamespace(dtype="bf16", rows=False))
    with pytest.raises(UserError, match=r"served in fp32 by swap, and the search's engine was started in bf16 by swap"):
        looker._refuse_other(looker.cell(point).generate["harmful"], served)


def test_a_cell_that_is_not_there_has_none(tmp_path: Path) -> None:
    study = demo(tmp_path, *SEARCH)
    plan = make_plan(study, Lookup(Store(study.storage)))
    assert plan.objective is not None
    [point] = sampled(study.sweep)
    assert Looker(study, "smollm2-135m", plan.objective).known(point) is None


def test_an_engine_holds_every_rank_that_an_adapter_may_end_with(tmp_path: Path) -> None:
    study = demo(
        tmp_path, "sweep.recipe.lora.r={from: 4, to: 24}", "sweep.search={method: optuna, trials: 2, prompts: harmful}",
        "recipe.ema={decay: 0.9, every_n_steps: 10, space: delta, rank: 32}",
    )  # fmt: skip
    assert max(ranks_of(study)) == 32
    assert {24, study.recipe.lora.r} <= set(ranks_of(study))


@pytest.mark.ray
def test_what_an_engine_says_of_a_cell_is_the_cells_fault_and_not_the_users(ray_session: Session) -> None:
    import ray

    class Refuses:
        def answer(self, jobs: list[int]) -> list[dict[str, Any]]:
            return [{"error": "the engine does not serve the trained weights"} if job else {} for job in jobs]

    engine = object.__new__(Answering)
    engine.actor = ray.remote(num_cpus=0)(Refuses).remote()
    engine.ask([0])
    with pytest.raises(NotServed, match="does not serve the trained weights"):
        engine.ask([0, 1])
    engine.stop()
