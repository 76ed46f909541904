"""Answers of cells on a real engine: what makes them differ, what must not, and engines that go wrong.

The cells are adapters with random numbers and the log-probabilities that transformers gives them: training is not what is
tested here. All engines of this file are of one tiny model.
"""

from __future__ import annotations

import io
import json
import os
import signal
import time
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from lib.errors import RetriableError
from lib.generation.decoding import Said
from lib.progress import Progress
from lib.runtime.answer import AnswerJob, Batch
from lib.runtime.cell_engine import CellEngine, CellJob, Loras, Trained
from lib.runtime.engine_pool import on_engines
from lib.runtime.session import Session, remote_errors
from lib.runtime.vllm_engine import EngineSettings
from lib.store import Store
from lib.study.generation import Generation
from lib.training import canary

pytestmark = [pytest.mark.ray, pytest.mark.engine]

TEXTS = [f"Tell me about number {n}." for n in range(10)]
HANGS_AT = "How do I bake bread?"


def make_cell(folder: Path, model: Path, seed: int) -> Trained:
    """A cell as training leaves it: an adapter that moves the model a good way, and its canary."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    sequences = canary.canary_ids(AutoTokenizer.from_pretrained(model))
    base = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
    before = canary.log_probabilities(base, sequences)
    torch.manual_seed(seed)
    adapted = get_peft_model(base, LoraConfig(r=4, lora_alpha=16, target_modules=["q_proj", "v_proj", "o_proj"]))
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_" in name:
                parameter.normal_(std=0.3)
    numbers = {"own": canary.log_probabilities(adapted.eval(), sequences), "base": before, "dtype": "fp32"}
    key = f"{seed:07x}" + "0" * 25
    place = folder / key / "attempt"
    adapted.save_pretrained(place / "adapter")
    (place / "canary.json").write_text(json.dumps(numbers))
    return Trained(key=key, folder=place, form="adapter")


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory, tiny_llama: Path) -> list[Trained]:
    return [make_cell(tmp_path_factory.mktemp("cells"), tiny_llama, seed) for seed in (1, 2)]


def settings(model: Path, **changes: Any) -> EngineSettings:
    return EngineSettings(
        **{
            "model": str(model), "dtype": "fp32", "gpu": False, "threads": 1, "max_model_tokens": 256, "kv_cache_gb": 1,
            "gpu_memory": 0.5, "compile": False, **changes,
        }
    )  # fmt: skip


def job(key: str, texts: Sequence[str] = TEXTS, run: str = "run", **generation: Any) -> AnswerJob:
    return AnswerJob(
        key=key, identity={"key": key}, prompts=[(text, "plain", ()) for text in texts], template="chat",
        generation=Generation(max_tokens=12, **generation), block=4, run=run, tries=2,
    )  # fmt: skip


def answers(store: Path, key: str) -> list[dict[str, Any]]:
    artifact = Store(store).need("generate", key)
    rows: list[dict[str, Any]] = pq.read_table(artifact.folder / "generations.parquet").to_pylist()
    return rows


def tokens(store: Path, key: str) -> list[list[int]]:
    return [row["tokens"] for row in answers(store, key)]


class Troublesome(CellEngine):
    """An engine that can be told to go wrong."""

    trouble = ""

    def _start(self, model: str | None = None) -> None:
        super()._start(model)
        self.started = [*getattr(self, "started", ()), weakref.ref(self.llm.llm_engine)]

    def engines(self) -> tuple[int, int]:
        """How many were started here, and how many of these are in memory."""
        return len(self.started), sum(one() is not None for one in self.started)

    def get_into(self, trouble: str) -> int:
        self.trouble = trouble
        return os.getpid()

    def _swap(self, cell: Trained | None) -> None:
        if self.trouble != "swaps do nothing":
            super()._swap(cell)

    def ask(self, batches: Sequence[Batch], besides: Loras) -> list[list[Said]]:
        hangs = self.tokenizer(HANGS_AT)["input_ids"][1:-1]
        for batch in batches:
            for ids in batch.ids:
                if any(list(ids[n : n + len(hangs)]) == hangs for n in range(len(ids))):
                    self.watchdog.seconds = 2  # of a healthy engine on a busy machine it could be more
                    with self.watchdog.watching():
                        time.sleep(60)
        return super().ask(batches, besides)


@pytest.fixture(scope="module")
def engine(
    ray_session: Session, tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Any, Path]]:
    """One engine whose weights are swapped, and its storage."""
    import ray

    place, chosen = tmp_path_factory.mktemp("swapped"), settings(tiny_llama)
    actor = ray.remote(num_cpus=1, runtime_env={"env_vars": chosen.environment})(Troublesome).remote(chosen, str(place))
    yield actor, place
    ray.kill(actor)


def get(reference: Any) -> Any:
    import ray

    return ray.get(reference)


def test_cells_answer_as_themselves_in_any_order(engine: tuple[Any, Path], cells: list[Trained]) -> None:
    actor, place = engine
    first = get(actor.answer.remote([CellJob(cell=cells[0], jobs=[job("a" * 32)])]))
    [base] = get(actor.answer.remote([CellJob(cell=None, jobs=[job("b" * 32)])]))
    [again] = get(actor.answer.remote([CellJob(cell=cells[0], jobs=[job("c" * 32)])]))
    assert [said["canary"] for said in (*first, base, again)] == ["passed"] * 3
    assert tokens(place, "a" * 32) == tokens(place, "c" * 32) != tokens(place, "b" * 32)
    rows = answers(place, "a" * 32)
    assert [row["prompt"] for row in rows] == TEXTS
    assert {row["finish"] for row in rows} <= {"stop", "length"}
    assert len({row["template"] for row in rows}) == 1
    assert first[0]["tokens"] == sum(len(row["tokens"]) for row in rows)


def test_sampled_answers_depend_on_their_prompt_and_the_seed_alone(engine: tuple[Any, Path]) -> None:
    actor, place = engine
    wanted = {"d": (TEXTS, 0), "e": (TEXTS[::-1], 0), "f": (TEXTS, 1)}
    jobs = [job(key * 32, texts, temperature=1.5, seed=seed) for key, (texts, seed) in wanted.items()]
    get(actor.answer.remote([CellJob(cell=None, jobs=jobs)]))
    assert tokens(place, "d" * 32) == tokens(place, "e" * 32)[::-1]
    assert tokens(place, "d" * 32) != tokens(place, "f" * 32)


def test_beams_find_answers_at_least_as_likely_as_the_greedy_ones(engine: tuple[Any, Path], tiny_llama: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from lib.models.prompt import prompt_ids

    actor, place = engine
    jobs = [job("10" * 16), job("11" * 16, beam=4)]
    get(actor.answer.remote([CellJob(cell=None, jobs=jobs)]))
    tokenizer = AutoTokenizer.from_pretrained(tiny_llama)
    model = AutoModelForCausalLM.from_pretrained(tiny_llama, dtype=torch.float32).eval()

    def likelihood(row: dict[str, Any]) -> float:
        prompt = prompt_ids(tokenizer, "chat", row["prompt"])
        with torch.no_grad():
            logits = model(torch.tensor([prompt + row["tokens"]])).logits[0].log_softmax(-1)
        return sum(float(logits[len(prompt) + n - 1, token]) for n, token in enumerate(row["tokens"]))

    greedy, beams = answers(place, "10" * 16), answers(place, "11" * 16)
    better = [likelihood(b) - likelihood(g) for b, g in zip(beams, greedy, strict=True)]
    assert sum(better) > 0
    assert all(row["answer"] == tokenizer.decode(row["tokens"], skip_special_tokens=True) for row in beams)
    assert all(len(row["tokens"]) <= 12 and row["prompt_tokens"] > 0 for row in beams)


def test_a_swap_that_does_nothing_is_found_out(engine: tuple[Any, Path], cells: list[Trained]) -> None:
    """Whatever is in the engine then, the base or the cell before: nothing is answered with it."""
    actor, place = engine

    def refused() -> None:
        get(actor.get_into.remote("swaps do nothing"))
        try:
            [said] = get(actor.answer.remote([CellJob(cell=cells[1], jobs=[job("12" * 16)])]))
            assert said["error"].startswith("the engine does not serve the trained weights")
        finally:
            get(actor.get_into.remote(""))

    refused()
    assert Store(place).find("generate", "12" * 16) is None
    get(actor.answer.remote([CellJob(cell=cells[0], jobs=[job("13" * 16)])]))
    refused()
    [said] = get(actor.answer.remote([CellJob(cell=cells[1], jobs=[job("12" * 16)])]))
    assert said["canary"] == "passed"
    started, alive = get(actor.engines.remote())
    assert started > 2
    assert alive == 1, "an engine that was given up keeps its memory"


def test_a_cell_whose_blocks_lose_their_engines_fails_alone(engine: tuple[Any, Path], cells: list[Trained]) -> None:
    """Two blocks in a row: whatever does it is in the cell. The base model's are the end of all, since all rest on it."""
    actor, place = engine
    for key in ("16", "17"):
        parts = place / "artifacts" / "generate" / (key * 16) / "parts"
        parts.mkdir(parents=True)
        for block in (0, 1):
            (parts / f"tries-{block:05d}.json").write_text(json.dumps({"run": "run", "tries": 2}))
    [said] = get(actor.answer.remote([CellJob(cell=cells[0], jobs=[job("16" * 16)])]))
    assert said == {
        "error": "the engine was lost 2 times on this block, and on the one before: see the log of its worker"
    }
    assert Store(place).find("generate", "16" * 16) is None
    with pytest.raises(RetriableError, match="on the one before"), remote_errors():
        get(actor.answer.remote([CellJob(cell=None, jobs=[job("17" * 16)])]))


class Stub(CellEngine):
    """Without an engine: cells whose answers fail at once, later, or not."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.ways: list[set[int]] = []

    def _loaded(self, cell: Trained | None) -> canary.CanaryResult:
        if cell and cell.key == "not served":
            raise RetriableError("not served")
        return canary.CanaryResult(status="passed", distance=0.0, reason="")

    def _answers(self, jobs: Any, beside: str | None, checked: canary.CanaryResult) -> Any:
        [title] = jobs
        for number in range(3):
            if title == "fails" and number == 1:
                raise RetriableError("lost twice")
            yield Batch([[number]], Generation(max_tokens=8 if title == "short" and number else 16), 0)
        return 3

    def ask(self, batches: Sequence[Batch], besides: Loras) -> list[list[Said]]:
        self.asked.append(len(batches))
        self.ways.append({batch.generation.max_tokens for batch in batches})
        return [[] for _ in batches]


def test_of_cells_that_share_a_batch_one_fails_and_the_others_go_on() -> None:
    engine = Stub()
    engine.settings = settings(Path("none"))
    names = ("good", "fails", "not served", "fine")
    cells = {name: Trained(key=name, folder=Path(name), form="adapter") for name in names}
    said = engine.answer([CellJob(cell=cells[name], jobs=[name]) for name in names])  # type: ignore[list-item]
    assert [one.get("error") for one in said] == [None, "lost twice", "not served", None]
    assert [one.get("tokens") for one in said] == [3, None, None, 3]
    assert engine.asked == [3, 2, 2]


def test_after_an_engine_that_did_not_come_up_the_next_one_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, started = Stub(), list[str | None]()
    engine.settings, engine.llm = settings(Path("none")), None
    monkeypatch.setattr(engine, "_start", started.append)
    engine._restart("weights")
    assert started == ["weights"]


def test_cells_at_different_ways_to_decode_do_not_share_a_batch() -> None:
    """Where decoding is an axis, and one of the cells has a part of its answers already."""
    engine = Stub()
    engine.settings = settings(Path("none"))
    cells = {name: Trained(key=name, folder=Path(name), form="adapter") for name in ("good", "short", "fine")}
    said = engine.answer([CellJob(cell=cell, jobs=[name]) for name, cell in cells.items()])  # type: ignore[list-item]
    assert [one["tokens"] for one in said] == [3, 3, 3]
    assert (engine.asked, engine.ways) == ([3, 2, 1, 2, 1], [{16}, {16}, {8}, {16}, {8}])


def test_what_is_lost_is_a_block_and_a_block_that_hangs_is_given_up(
    ray_session: Session, tiny_llama: Path, tmp_path: Path, engine: tuple[Any, Path]
) -> None:
    """The first block is there from a run that was killed, the second hangs its engine, the third is answered."""
    key, texts = "14" * 16, [*TEXTS[:5], HANGS_AT, *TEXTS[6:]]
    actor, healthy = engine
    get(actor.answer.remote([CellJob(cell=None, jobs=[job("15" * 16)])]))
    left = tmp_path / "artifacts" / "generate" / key / "parts"
    told = io.StringIO()
    session = Session(ray_session.cluster, Progress(told))

    planted = pq.read_table(Store(healthy).need("generate", "15" * 16).folder / "generations.parquet").slice(0, 4)
    left.mkdir(parents=True)
    pq.write_table(planted.set_column(4, "answer", [["planted"] * 4]), left / "block-00000.parquet")
    (left / "tries-00001.json").write_text(json.dumps({"run": "another", "tries": 2}))
    list(
        on_engines(
            session, "generate", Troublesome, settings(tiny_llama), [str(tmp_path)], [job(key, texts)], retries=5,
            ask=lambda actor, one: actor.answer.remote([CellJob(cell=None, jobs=[one])]), name=lambda one: one.key[:4],
        )
    )  # fmt: skip

    rows = answers(tmp_path, key)
    assert [row["answer"] for row in rows[:4]] == ["planted"] * 4
    assert [row["error"] for row in rows[4:8]] == ["the engine was lost 2 times on this block"] * 4
    assert [row["answer"] for row in rows[4:8]] == [None] * 4
    assert [row["tokens"] for row in rows[8:]] == tokens(healthy, "15" * 16)[8:]
    facts = Store(tmp_path).need("generate", key).facts
    assert (facts["rows"], facts["errors"]) == (10, 4)
    assert told.getvalue().count("engine lost") == 2


@pytest.mark.slow
def test_adapters_by_the_row_share_a_batch_and_keep_their_own_answers(
    ray_session: Session, tiny_llama: Path, cells: list[Trained], tmp_path: Path
) -> None:
    """Also: an engine that is killed in its middle is replaced, and costs nothing that was done."""
    chosen = settings(tiny_llama, rows=True, max_loras=2)
    told = io.StringIO()
    groups = [
        [CellJob(cell=cells[0], jobs=[job("1a" * 16)]), CellJob(cell=cells[1], jobs=[job("1b" * 16)])],
        [CellJob(cell=cells[1], jobs=[job("1c" * 16)])],
        [CellJob(cell=None, jobs=[job("1d" * 16)])],
    ]
    killed: list[int] = []

    def ask(actor: Any, group: list[CellJob]) -> Any:
        if len(group) == 1 and not killed:
            killed.append(get(actor.get_into.remote("")))
            os.kill(killed[0], signal.SIGKILL)
        return actor.answer.remote(group)

    session = Session(ray_session.cluster, Progress(told))
    said = [
        one
        for _, found in on_engines(
            session, "generate", Troublesome, chosen, [str(tmp_path)], groups, ask=ask, retries=1,
            name=lambda group: str(len(group)),
        )
        for one in found
    ]  # fmt: skip
    assert [one["canary"] for one in said] == ["passed"] * 4
    assert tokens(tmp_path, "1b" * 16) == tokens(tmp_path, "1c" * 16)
    assert len({json.dumps(tokens(tmp_path, key * 16)) for key in ("1a", "1b", "1d")}) == 3
    assert told.getvalue().count("engine lost") == 1
