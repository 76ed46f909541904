"""Evaluation: cells answered one after the other in one engine, against a plain offline vLLM run and against transformers.

The cells are adapters on SmolLM2 with small random numbers, since what is measured is how fast weights get in and answers
out. Every side answers the same 100 built-in prompts, greedily, with 48 tokens at most, in bf16, each in a process of its own.
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

from lib.runtime.cell_engine import CellEngine
from tests.benchmarks.harness import Result, measured, own_process, smollm2
from tests.tiny_models import make_model

CELLS, PROMPTS, TOKENS, BATCH = 8, 100, 48, 32
LIMIT_S = 2.0
PAIRS, ROUNDS, ALONE = 3, 3, 5
"""Pairs; times that the plain vLLM run answers the prompts in each; prompts that the slowest side answers."""


def run(quick: bool) -> list[Result]:
    """Overhead of a cell, and tokens per second against three other ways."""
    cells, asked, pairs = (2, 8, 1) if quick else (CELLS, PROMPTS, PAIRS)
    with tempfile.TemporaryDirectory(prefix="ballast-generation-") as place:
        if quick:
            make_model(Path(place) / "model")
        else:
            (Path(place) / "model").symlink_to(smollm2())
        own_process("bench_generation", "make", place, cells, asked)
        told = [
            own_process("bench_generation", "ours", place, cells, asked)
            | own_process("bench_generation", "vllm", place, cells, asked)
            | own_process("bench_generation", "plain", place, cells, asked)
            | {"limit": LIMIT_S}
            for _ in range(pairs)
        ]
    model = "a tiny model" if quick else "SmolLM2-135M"
    size = f"{model}, bf16, {cells} cells x {asked} prompts x {TOKENS} tokens, one engine start"

    def row(
        name: str, against: str, ours: str, other: str, target: float, unit: str = "tokens/s", note: str = ""
    ) -> Result:
        return measured(
            name, told, ours=ours, other=other, unit=unit, target=target, size=size, against=against, note=note
        )

    whole = "with swaps and canaries, without the engine's start"
    return [
        row("evaluation, a cell beyond its answers", "the limit", "overhead_s", "limit", 1, unit="s"),
        row("evaluation, while answering", "plain offline vLLM, the base alone", "pure", "vllm", 0.9),
        row("evaluation against batches", f"transformers generate, batch {BATCH}", "all", "batched", 3, note=whole),
        row(
            "evaluation, one by one", "transformers generate, one prompt at a time, as the paper's script", "all", "single", 50,
            note=whole,
        ),
    ]  # fmt: skip


def prompts(count: int) -> list[str]:
    """Prompts of the built-in sets."""
    from lib.corpus.sources import source_files

    files = [*source_files("builtin:harmful"), *source_files("builtin:lookalike")]
    rows = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    return [row["prompt"] for row in rows][:count]


def make(place: Path, cells: int, asked: int) -> dict[str, Any]:
    """Cells as training leaves them: an adapter and its canary."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from lib.training import canary

    sequences = canary.canary_ids(AutoTokenizer.from_pretrained(place / "model"))
    for number in range(cells):
        base = AutoModelForCausalLM.from_pretrained(place / "model", dtype=torch.bfloat16).eval()
        before = canary.log_probabilities(base, sequences)
        torch.manual_seed(number)
        lora = LoraConfig(r=8, lora_alpha=16, target_modules=["q_proj", "k_proj", "v_proj", "o_proj"])
        adapted = get_peft_model(base, lora).eval()
        with torch.no_grad():
            for name, parameter in adapted.named_parameters():
                if "lora_B" in name:
                    parameter.normal_(std=0.02)
        numbers = {"own": canary.log_probabilities(adapted, sequences), "base": before, "dtype": "bf16"}
        folder = cell_folder(place, number)
        adapted.save_pretrained(folder / "adapter")
        (folder / "canary.json").write_text(json.dumps(numbers))
    return {}


def cell_folder(place: Path, number: int) -> Path:
    """Where a cell's artifact lies."""
    return place / "cells" / f"{number + 1:07x}{'0' * 25}" / "attempt"


class Timed(CellEngine):
    """An engine that tells how long it was answering."""

    def ask(self, batches: Any, besides: Any) -> Any:
        started = time.perf_counter()
        given = super().ask(batches, besides)
        self.pure_s = getattr(self, "pure_s", 0.0) + time.perf_counter() - started
        return given

    def answering(self) -> float:
        return self.pure_s


def ours(place: Path, cells: int, asked: int) -> dict[str, float]:
    """Every cell in one engine of the pool."""
    import ray

    from lib.progress import Progress
    from lib.runtime.answer import AnswerJob
    from lib.runtime.cell_engine import CellJob, Trained
    from lib.runtime.engine_pool import on_engines
    from lib.runtime.session import Session
    from lib.study.generation import Generation
    from lib.study.schema import Cluster

    def job(number: int) -> CellJob:
        folder = cell_folder(place, number)
        key = folder.parent.name
        answers = AnswerJob(
            key=key, identity={}, prompts=[(text, "plain", ()) for text in prompts(asked)], template="chat",
            generation=Generation(max_tokens=TOKENS), block=256, run="bench", tries=1,
        )  # fmt: skip
        return CellJob(cell=Trained(key=key, folder=folder, form="adapter"), jobs=[answers])

    settings = engine_settings(place)
    with (
        tempfile.TemporaryDirectory(dir=place) as store,
        Session(Cluster(max_gpus=0), Progress(io.StringIO())) as session,
    ):
        tokens, seconds, pure = 0, 0.0, 0.0

        def ask(actor: Any, one: CellJob) -> Any:
            nonlocal pure
            actors.append(actor)
            return actor.answer.remote([one])

        actors: list[Any] = []
        jobs = [job(number) for number in range(cells)]
        for _, [said] in on_engines(
            session, "bench", Timed, settings, [store], jobs, ask=ask, retries=0, name=lambda one: one.jobs[0].key
        ):
            tokens, seconds, pure = (
                tokens + said["tokens"],
                seconds + said["seconds"],
                ray.get(actors[-1].answering.remote()),
            )
    return {"all": tokens / seconds, "pure": tokens / pure, "overhead_s": (seconds - pure) / cells}


def engine_settings(place: Path) -> Any:
    """The engine of a study with default settings."""
    from lib.runtime.vllm_engine import EngineSettings

    return EngineSettings(
        model=str(place / "model"), dtype="bf16", gpu=False, threads=os.cpu_count() or 1, max_model_tokens=1024,
        kv_cache_gb=1, gpu_memory=0.9, compile=False,
    )  # fmt: skip


def vllm(place: Path, cells: int, asked: int) -> dict[str, float]:
    """A script with vLLM's own API: the base alone, the same prompts a few times."""
    os.environ.update(
        {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_LOGGING_LEVEL": "ERROR", "VLLM_ENABLE_V1_MULTIPROCESSING": "0"}
    )
    from vllm import LLM, SamplingParams

    engine = LLM(str(place / "model"), dtype="bfloat16", max_model_len=1024, enforce_eager=True)
    turns = [[{"role": "user", "content": text}] for text in prompts(asked)]
    sampling = SamplingParams(temperature=0, max_tokens=TOKENS)
    engine.chat(turns[:4], sampling, use_tqdm=False)
    tokens, started = 0, time.perf_counter()
    for _ in range(ROUNDS):
        engine.reset_prefix_cache()
        said = engine.chat(turns, sampling, use_tqdm=False)
        tokens += sum(len(output.outputs[0].token_ids) for output in said)
    return {"vllm": tokens / (time.perf_counter() - started)}


def plain(place: Path, cells: int, asked: int) -> dict[str, float]:
    """transformers' `generate`, the base alone: two batches, and some prompts one after the other."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(place / "model", padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(place / "model", dtype=torch.bfloat16).eval()
    turns = [[{"role": "user", "content": text}] for text in prompts(asked)]

    def answer(some: list[Any]) -> int:
        given = tokenizer.apply_chat_template(
            some, add_generation_prompt=True, return_tensors="pt", return_dict=True, padding=True
        )
        with torch.inference_mode():
            said = model.generate(**given, max_new_tokens=TOKENS, do_sample=False)
        answers = said[:, given["input_ids"].shape[1] :]
        return int((answers != tokenizer.pad_token_id).sum())

    def rate(some: list[Any], batch: int) -> float:
        answer(some[:batch])
        started = time.perf_counter()
        tokens = sum(answer(some[start : start + batch]) for start in range(0, len(some), batch))
        return tokens / (time.perf_counter() - started)

    return {"batched": rate(turns[: 2 * BATCH], BATCH), "single": rate(turns[:ALONE], 1)}


if __name__ == "__main__":
    side, place, cells, asked = sys.argv[1:]
    print(json.dumps(globals()[side](Path(place), int(cells), int(asked))))
