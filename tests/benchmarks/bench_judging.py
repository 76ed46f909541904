"""Judging: one engine for the answers of all cells with equal pairs judged once, against a judge script run for every cell.

Ours is the judge stage itself (`lib.runtime.judge`) on a study whose cells have answered, from the start of Ray to the last
verdict published. The other side is what people do today: a script with vLLM's own API that loads the judge and reads one
model's answers, in a process of its own, once for every model. Beside it stands transformers' `generate`, one answer at a
time, as the judge models' cards show it. All sides put the same prompts, in Llama Guard's form, to SmolLM2.

SmolLM2 is no judge: what it says is taken for a verdict whatever it is (`Taken`), since what is measured is time.
"""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

from lib.guards.guard import Ask
from lib.guards.models.llama_guard import LlamaGuard
from lib.judging.judges.llama_guard_3 import LlamaGuard3
from tests.benchmarks.harness import Result, measured, own_process, smollm2, timed

SEEDS, PROMPTS, ALONE = (0, 1, 2), 56, 5
"""Two strategies x seeds, `none` x seeds, and the untouched model; answers that the slowest side judges."""
EQUAL = 4
"""Every so manieth answer is the same for all cells, as refusals are: what more of it would gain is not measured."""


class Taken(LlamaGuard):
    """Llama Guard's form, with anything taken for a verdict."""

    def read(self, ask: Ask, said: str) -> dict[str, bool | None]:
        [question] = ask.questions
        return {question: "unsafe" in said}


class TakenJudge(LlamaGuard3):
    """The judge of that form. (No name of its own: the study asks for `llama_guard_3`.)"""

    guard = Taken


def run(quick: bool) -> list[Result]:
    """Everything in one engine against a cell in each, and against one answer at a time."""
    seeds, prompts, pairs = ((0,), 8, 1) if quick else (SEEDS, PROMPTS, 3)
    with tempfile.TemporaryDirectory(prefix="ballast-judging-") as place:
        model = tiny(Path(place)) if quick else smollm2()
        told = []
        for _ in range(pairs):
            ours, script, single = (
                own_process("bench_judging", side, place, model, len(seeds), prompts)
                for side in ("ours", "script", "single")
            )
            more = {"scripts": ours["cells"] * script["wall_s"], "fast": ours["answers"] / ours["judging_s"]}
            told.append(ours | single | more)
    one = told[0]
    size = (
        f"{one['cells']} cells x {prompts} answers, {one['unique']:.0f} of {one['answers']:.0f} different, "
        f"{'a tiny model' if quick else 'SmolLM2-135M'}, bf16"
    )
    return [
        measured(
            "judging, in all", told, ours="wall_s", other="scripts", unit="s", target=2, size=size,
            against="a script with vLLM for each cell", note=f"one script a pair measured, times {one['cells']}",
        ),
        measured(
            "judging, one by one", told, ours="fast", other="single", unit="answers/s", target=5, size=size,
            against="transformers generate, one answer at a time", note="without the start of the engine or the model",
        ),
    ]  # fmt: skip


def tiny(place: Path) -> Path:
    """A judge that costs nothing."""
    from tests.tiny_models import make_model

    return make_model(place / "tiny")


def texts(cell: int, prompts: int) -> list[tuple[str, str]]:
    """The (prompt, answer) pairs of one cell: answers of the built-in corpus."""
    from lib.corpus.sources import source_files

    rows = [json.loads(line) for file in source_files("builtin:safety") for line in file.read_text().splitlines()]
    places = [n if n % EQUAL == 0 else n + (cell + 1) * prompts for n in range(prompts)]
    return [(rows[n]["instruction"], rows[place % len(rows)]["response"]) for n, place in enumerate(places)]


def ours(place: Path, model: Path, seeds: int, prompts: int) -> dict[str, float]:
    """The stage, with the time of its first question to a running engine."""
    import pyarrow.parquet as pq

    from lib.plan import Node, make_plan
    from lib.progress import Progress
    from lib.runtime import judge as stage
    from lib.runtime.engine_pool import on_engines
    from lib.runtime.session import Session
    from lib.study.schema import Cluster
    from tests.makers import demo
    from tests.runtime.answers import answer_table, answered

    storage = Path(tempfile.mkdtemp(dir=place))
    study = demo(
        storage, f"sweep.seed={list(range(seeds))}", "evaluate.prompts=[harmful]", "evaluate.judges=[llama_guard_3]",
        f"judge_models.llama_guard_3={model}", "judge_models.llama_guard_3.max_model_tokens=1024",
    )  # fmt: skip
    numbers: dict[str, int] = {}

    def answers(node: Node) -> list[str | None]:
        return [answer for _, answer in texts(numbers.setdefault(str(node.key), len(numbers)), prompts)]

    with patch(
        "tests.runtime.answers.answer_table", lambda said: answer_table(said, lambda n: texts(0, prompts)[n][0])
    ):
        lookup = answered(study, answers)
    nodes, begun = make_plan(study, lookup).nodes("judge"), list[float]()

    def timed_engines(*given: Any, ask: Any, **more: Any) -> Any:
        def first(actor: Any, chunk: Any) -> Any:
            begun.append(time.perf_counter())
            return ask(actor, chunk)

        return on_engines(*given, ask=first, **more)

    started = time.perf_counter()
    with (
        Session(Cluster(max_gpus=0), Progress(io.StringIO())) as session,
        patch.object(stage, "make_judge", lambda _: TakenJudge()), patch.object(stage, "on_engines", timed_engines),
    ):  # fmt: skip
        stage.judge_answers(session, lookup, nodes, study)
        ended = time.perf_counter()
    pairs = [pair for cell in range(len(numbers)) for pair in texts(cell, prompts)]
    published = sum(pq.read_table(lookup.folder(node) / "verdicts.parquet").num_rows for node in nodes)
    assert published == len(pairs), f"{published} verdicts on {len(pairs)} answers"
    return {
        "wall_s": ended - started, "judging_s": ended - begun[0], "cells": len(numbers), "answers": len(pairs),
        "unique": len(set(pairs)),
    }  # fmt: skip


def asked(model: Path, prompts: int) -> list[list[int]]:
    """The prompts of one cell as ids."""
    from lib.models.prompt import load_tokenizer

    tokenizer, judge = load_tokenizer(str(model)), TakenJudge()
    return [judge.form.prompt_ids(tokenizer, judge.ask(*pair)) for pair in texts(0, prompts)]


def script(place: Path, model: Path, seeds: int, prompts: int) -> dict[str, float]:
    """One cell's answers with vLLM's own API, its import and start among them."""
    os.environ.update(
        {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_LOGGING_LEVEL": "ERROR", "VLLM_ENABLE_V1_MULTIPROCESSING": "0"}
    )
    started = time.perf_counter()
    from vllm import LLM, SamplingParams

    engine = LLM(str(model), dtype="bfloat16", max_model_len=1024, enforce_eager=True)
    turns = [{"prompt_token_ids": ids} for ids in asked(model, prompts)]
    engine.generate(turns, SamplingParams(temperature=0, max_tokens=Taken.max_tokens), use_tqdm=False)
    return {"wall_s": time.perf_counter() - started}


def single(place: Path, model: Path, seeds: int, prompts: int) -> dict[str, float]:
    """Answers judged a second by transformers, one after the other, some of them."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(os.cpu_count() or 1)
    judge = AutoModelForCausalLM.from_pretrained(model, dtype=torch.bfloat16).eval()
    turns = [torch.tensor([ids]) for ids in asked(model, prompts)[: ALONE + 1]]

    def read(ids: torch.Tensor) -> None:
        with torch.inference_mode():
            judge.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=Taken.max_tokens, do_sample=False)

    read(turns[0])
    return {"single": ALONE / timed(lambda: [read(ids) for ids in turns[1:]])}


if __name__ == "__main__":
    side, place, model, seeds, prompts = sys.argv[1:]
    print(json.dumps(globals()[side](Path(place), Path(model), int(seeds), int(prompts))))
