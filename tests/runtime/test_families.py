"""Models of every family's architecture, trained as adapters and in full, are served by the engine as they were trained.

Tiny random weights; the rest is real: DeepSpeed, safetensors, vLLM's loading of new weights (Qwen2's embeddings are tied), and
the canary, which holds the engine's log-probabilities against those of training.
"""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.studies import Run, run_job
from tests.tiny_models import make_model

pytestmark = [pytest.mark.ray, pytest.mark.engine]

STUDY = """
name: families
storage: {storage}
corpus: {{source: "builtin:safety", format: ballast}}
benign: {{source: "builtin:benign", format: alpaca, limit: 12, holdout: 4}}
clusters: {{k: 2}}
models:
  - {{name: llama, source: {models}/llama, family: llama-3, template: plain}}
  - {{name: qwen2, source: {models}/qwen2, family: qwen2.5, template: chat}}
  - {{name: mistral, source: {models}/mistral, family: mistral, template: alpaca}}
sweep: {{strategy: [random], budget: [4], recipe.method: [lora, full]}}
recipe: {{lr: 1e-2, steps: 4, batch: 4, max_tokens: 480, dtype: fp32}}
train: {{deepspeed: zero3, packing: true}}
evaluate:
  prompts: [{{name: harmful, source: "builtin:harmful", limit: 3}}]
  generation: {{max_tokens: 6}}
  engine: {{dtype: fp32, max_model_tokens: 1024}}
"""


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("families")
    for family in ("llama", "qwen2", "mistral"):
        make_model(folder / family, family)
    study = folder / "study.yaml"
    study.write_text(STUDY.format(models=folder, storage=folder / "runs"))
    code, output = run_job("sweep", study)
    assert code == 0, output[-6000:]
    return Run(study, folder / "runs", output)


def test_every_cell_was_served_as_it_was_trained(done: Run) -> None:
    facts = [json.loads(path.read_text()) for path in (done.storage / "artifacts" / "generate").glob("*/manifest.json")]
    trained = [one["facts"]["canary"] for one in facts if one["identity"]["train"]]
    assert len(trained) == 6
    assert [one["status"] for one in trained] == ["passed"] * 6, trained


def test_full_training_leaves_a_model_and_an_adapter_its_factors(done: Run) -> None:
    forms = sorted(path.parent.name for path in (done.storage / "artifacts" / "train").glob("*/*/*/README.md"))
    assert forms == ["adapter"] * 3 + ["weights"] * 3
    for path in (done.storage / "artifacts" / "train").glob("*/*/training_log.parquet"):
        assert pq.read_table(path)["step"].to_pylist() == [1, 2, 3, 4]
    assert not list((done.storage / "checkpoints").glob("*"))


def test_prompts_begin_as_the_family_has_it(done: Run) -> None:
    from lib.models.prompt import load_tokenizer, prompt_ids

    leading = {}
    for name, template in (("llama", "plain"), ("qwen2", "chat"), ("mistral", "alpaca")):
        tokenizer = load_tokenizer(Path(done.study).parent / name)
        leading[name] = prompt_ids(tokenizer, template, "How are you?")[0] == tokenizer.bos_token_id
    assert leading == {"llama": True, "qwen2": False, "mistral": True}
