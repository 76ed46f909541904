"""Memory against size: the peak of the driver and of any worker while a corpus is ingested, embedded, clustered,
searched for near duplicates and labelled.

The encoder is a real sentence-transformers model that costs nothing (static embeddings over a small vocabulary), so that
what is measured is how rows are moved. "Flat" means: ten times the rows, the same peak.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from tests.benchmarks.harness import Result, own_process, peak_mib

TOPICS, TOPIC_WORDS = 500, 24
WORDS = TOPICS * TOPIC_WORDS


def run(quick: bool) -> list[Result]:
    """Peaks at two sizes, each in a process of its own."""
    sizes = [2_000, 4_000] if quick else [50_000, 500_000]
    peaks = {}
    for rows in sizes:
        peaks[rows] = own_process("bench_memory", rows)
    first = peaks[sizes[0]]
    out = []
    for who in ("driver", "worker"):
        for rows in sizes[1:]:
            ratio = first[who] / peaks[rows][who]
            out.append(
                Result(
                    name=f"peak memory of the {who}, {rows // sizes[0]}x the rows", size=f"{sizes[0]:,} and {rows:,} rows",
                    against=f"the same at {sizes[0]:,} rows", ours=round(peaks[rows][who], 1), other=round(first[who], 1),
                    unit="MiB", ratio=round(ratio, 3), target=0.8, n=1, spread=(round(ratio, 3), round(ratio, 3)),
                    note=f"{peaks[rows]['seconds']:.0f} s",
                )
            )  # fmt: skip
    return out


def make_encoder(folder: Path) -> None:
    """A static encoder of 64 dimensions over numbered words."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    tokenizer = Tokenizer(WordLevel({"[UNK]": 0, **{f"w{n}": n + 1 for n in range(WORDS)}}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_dim=64)], device="cpu").save(str(folder))


def write_corpus(path: Path, rows: int) -> None:
    """JSON Lines of the beavertails format, by topic, a tenth of the rows sharing a prompt with another one; several files."""
    per_file = 250_000
    for start in range(0, rows, per_file):
        with (path / f"rows-{start:09d}.jsonl").open("w") as file:
            for n in range(start, min(rows, start + per_file)):
                m = n if n % 10 else max(0, n - 1)
                words = np.random.default_rng(m).integers(0, TOPIC_WORDS, 8) + m % TOPICS * TOPIC_WORDS
                prompt = " ".join(f"w{word}" for word in words) + f" {m}"
                row = {"prompt": prompt, "response": f"I cannot help with that, {n}.", "category": {}, "is_safe": True}
                file.write(json.dumps(row) + "\n")


class Watch(threading.Thread):
    """The largest private memory of any worker process below this one, looked at ten times a second."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak_mib, self.ending = 0.0, threading.Event()
        self.by_title: dict[str, float] = {}

    def run(self) -> None:
        import psutil

        me = psutil.Process()
        while not self.ending.wait(0.1):
            for process in me.children(recursive=True):
                try:
                    title = "".join(process.cmdline()[:1])
                    if "ray::" in title:
                        info = process.memory_info()  # shared is the object store: it is one for all, and bounded
                        now = (info.rss - info.shared) / 2**20
                        self.by_title[title] = max(self.by_title.get(title, 0.0), now)
                        self.peak_mib = max(self.peak_mib, now)
                except psutil.Error:
                    continue


def measure(rows: int) -> None:
    """Ingest, embed, cluster, label; prints the peaks as JSON."""
    from lib.progress import Progress
    from lib.runtime.pipeline import run as run_study
    from lib.study import load_study

    with tempfile.TemporaryDirectory(prefix="ballast-memory-") as place:
        folder = Path(place)
        (folder / "corpus").mkdir()
        write_corpus(folder / "corpus", rows)
        make_encoder(folder / "encoder")
        overrides = {
            "corpus.source": folder / "corpus", "corpus.format": "beavertails", "corpus.assume_harmful_requests": "true",
            "storage": folder / "runs", "encoder.model": folder / "encoder", "clusters.k": 64, "cluster.max_gpus": 0,
            "encoder.batch": 1024,
            "sweep.strategy": "[random]",
        }  # fmt: skip
        study = load_study(Path("jobs/studies/demo.yaml"), [f"{key}={value}" for key, value in overrides.items()])
        watch, started = Watch(), time.perf_counter()
        watch.start()
        with open(os.devnull, "w") as silent:
            run_study(study, Progress(silent), until="label")
        watch.ending.set()
        peak = peak_mib()
    for title, most in sorted(watch.by_title.items(), key=lambda item: -item[1])[:8]:
        print(f"{most:8.0f} MiB  {title}")
    print(json.dumps({"driver": peak, "worker": watch.peak_mib, "seconds": time.perf_counter() - started}))


if __name__ == "__main__":
    measure(int(sys.argv[1]))
