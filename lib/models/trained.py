"""A model folder of what a cell trained, so that other cells can begin with it.

An adapter is merged in float32. It is stored in bf16 only where that loses little of what was learned: rounding weights to
bf16 can undo a good part of a small update, and whoever begins here would begin elsewhere.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

MERGED_CARD = "merged-card.md"
"""In a cell's artifact: the model card that goes with its adapter once it is merged."""
ROUNDING_LIMIT = 0.1
"""Relative to the update: above it the merged model stays in float32."""


def from_cell(cell: Path, base: Path, merge_error: float, folder: Path) -> dict[str, Any]:
    """Write the model of a train artifact as an ordinary model folder, and tell what it was.

    Args:
        cell: the artifact's folder, with `adapter` or `weights`.
        base: the model folder that training began from.
        merge_error: what merging into bf16 would lose, as training measured it.
        folder: is there already, and empty.
    """
    from lib.models.prompt import load_tokenizer
    from lib.training import adapter, full

    if (cell / full.FOLDER).is_dir():
        shutil.copytree(cell / full.FOLDER, folder, dirs_exist_ok=True)
        return {"from": "the weights of a cell"}
    dtype = "bf16" if merge_error <= ROUNDING_LIMIT else "fp32"
    adapter.merge_to_folder(base, cell / adapter.FOLDER, folder, dtype)
    load_tokenizer(base).save_pretrained(folder)
    if (cell / MERGED_CARD).is_file():
        shutil.copyfile(cell / MERGED_CARD, folder / "README.md")
    return {"from": "the merged adapter of a cell", "dtype": dtype, "merge_error": merge_error}
