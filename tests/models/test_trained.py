"""A cell's weights as a model folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from lib.models.trained import from_cell
from lib.study.recipe import Recipe


@pytest.fixture
def cell(tmp_path: Path, tiny_llama: Path) -> Path:
    """A train artifact with an adapter that changes something."""
    import torch
    from transformers import AutoModelForCausalLM

    from lib.training import adapter

    base = AutoModelForCausalLM.from_pretrained(tiny_llama, dtype=torch.float32)
    adapted = adapter.attach(base, Recipe(steps=1).model_dump(), seed=0)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1)
    folder = tmp_path / "artifact"
    adapter.save(adapted, folder, tiny_llama)
    return folder


@pytest.mark.parametrize(("error", "dtype"), [(0.01, "bf16"), (0.3, "fp32")])
def test_an_adapter_is_merged_in_the_precision_that_keeps_it(
    cell: Path, tiny_llama: Path, tmp_path: Path, error: float, dtype: str
) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    facts = from_cell(cell, tiny_llama, error, tmp_path / "model")
    assert (facts["dtype"], facts["merge_error"]) == (dtype, error)
    made = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    assert made.dtype == (torch.bfloat16 if dtype == "bf16" else torch.float32)
    assert AutoTokenizer.from_pretrained(tmp_path / "model").chat_template
    ids = torch.tensor([[5, 9, 17, 33, 65]])
    base = AutoModelForCausalLM.from_pretrained(tiny_llama, dtype=torch.float32)
    plain = base(ids).logits
    wanted = PeftModel.from_pretrained(base, cell / "adapter")(ids).logits
    found = made.float()(ids).logits
    assert torch.allclose(found, wanted, atol=0.1 if dtype == "bf16" else 1e-4)
    assert not torch.allclose(found, plain, atol=0.2)


def test_whole_weights_are_taken_as_they_are(tiny_llama: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(tiny_llama, tmp_path / "artifact" / "weights")
    (tmp_path / "artifact" / "weights" / "README.md").write_text("the card of the cell")
    made = tmp_path / "model"
    assert from_cell(tmp_path / "artifact", tiny_llama, 0.0, made) == {"from": "the weights of a cell"}
    assert (made / "model.safetensors").read_bytes() == (tiny_llama / "model.safetensors").read_bytes()
    assert (made / "README.md").read_text() == "the card of the cell"
