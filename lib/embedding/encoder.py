"""A sentence-transformers encoder on whatever device there is.

Texts are encoded in order of length, so that a batch holds texts of like length and little padding is computed; the
vectors come back in the order the texts were given in.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

VECTORS = pa.schema([("text_id", pa.string()), ("vector", pa.list_(pa.float32()))])
"""One row per unique text, sorted by text_id."""


class Encoder:
    """Loads a sentence-transformers model folder once.

    Args:
        folder: the model.
        device: torch device name; None takes a GPU when there is one.
        threads: CPU threads of the forward pass (None: leave torch's default).
    """

    def __init__(self, folder: str, device: str | None = None, threads: int | None = None) -> None:
        import torch
        from sentence_transformers import SentenceTransformer

        if threads:
            torch.set_num_threads(threads)
        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self.model = SentenceTransformer(folder, device=self.device, local_files_only=True)

    def encode(self, texts: Sequence[str], batch: int) -> np.ndarray:
        """Vectors of `texts`, float32 [N, D], as the model pools them.

        Raises:
            ValueError: the model gave a vector that is not finite.
        """
        order = np.argsort([-len(text) for text in texts], kind="stable")
        encoded = self.model.encode(
            [texts[i] for i in order], batch_size=batch, show_progress_bar=False, convert_to_numpy=True
        )
        vectors = np.empty((len(texts), encoded.shape[1]), dtype=np.float32)
        vectors[order] = encoded
        if not np.isfinite(vectors).all():
            raise ValueError(
                f"the encoder gave {int((~np.isfinite(vectors).all(axis=1)).sum())} vectors that are not finite"
            )
        return vectors


def vectors_by_text(table: pa.Table) -> dict[str, np.ndarray]:
    """text_id -> float32 [D] from a table of schema `VECTORS`."""
    return dict(zip(table["text_id"].to_pylist(), matrix_of(table), strict=True))


def matrix_of(table: pa.Table) -> np.ndarray:
    """The vectors of a `VECTORS` table as float32 [N, D], without a copy per row."""
    column = table["vector"].combine_chunks()
    flat = column.flatten().to_numpy(zero_copy_only=False).astype(np.float32, copy=False)
    matrix: np.ndarray = flat.reshape(table.num_rows, -1)
    return matrix
