"""A sentence-transformers encoder on whatever device there is.

Texts are encoded in order of length in tokens, so that a batch holds texts of like length and next to no padding is
computed; the vectors come back in the order the texts were given in. (sentence-transformers sorts by characters: of short
instructions in batches of 64, a quarter of what it computes is padding. Counting tokens first costs a hundredth.) Longest
first, so that a batch that does not fit into memory fails at once and not at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lib.errors import UserError

DTYPES = {"float32": "float32", "bf16": "bfloat16"}
TELL_BATCHES = 8
"""Batches between two reports of progress."""


class Encoder:
    """Loads a sentence-transformers model folder once.

    Args:
        folder: the model.
        pooling: `model` (as its own configuration says, normalisation included) or `mean`: the plain mean over the
            tokens of the last hidden state, not normalised (Pham et al., `pss`).
        dtype: `float32` or `bf16`, the precision of the forward pass.
        device: torch device name; None takes a GPU when there is one.
        threads: CPU threads of the forward pass (None: leave torch's default).

    Raises:
        UserError: the folder is no sentence encoder, or lacks files.
    """

    def __init__(
        self,
        folder: str,
        *,
        pooling: str = "model",
        dtype: str = "float32",
        device: str | None = None,
        threads: int | None = None,
    ) -> None:
        import torch
        from sentence_transformers import SentenceTransformer

        if threads:
            torch.set_num_threads(threads)
        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        try:
            model = SentenceTransformer(
                folder, device=self.device, local_files_only=True, trust_remote_code=False,
                model_kwargs={"dtype": getattr(torch, DTYPES[dtype]), "use_safetensors": True},
            )  # fmt: skip
        except (OSError, ValueError, KeyError) as error:
            reason = (str(error).splitlines() or [""])[0]
            raise UserError(
                f"encoder.model {folder} cannot be loaded as a sentence encoder ({reason}): is the folder whole?"
            ) from None
        self.model = _with_mean_pooling(model) if pooling == "mean" else model

    def encode(self, texts: Sequence[str], batch: int, tell: Callable[[int], Any] | None = None) -> np.ndarray:
        """Vectors of `texts`, float32 [N, D].

        Args:
            batch: texts per forward pass.
            tell: called with the number of texts done since the last call.

        Raises:
            UserError: the model gave a vector that is not finite.
        """
        order = np.argsort(-self._lengths(texts), kind="stable")
        vectors: np.ndarray | None = None
        untold = 0
        for start in range(0, len(texts), batch):
            rows = order[start : start + batch]
            encoded = self.model.encode(
                [texts[i] for i in rows], batch_size=batch, show_progress_bar=False, convert_to_tensor=True
            )
            encoded = encoded.float().cpu().numpy()
            if vectors is None:
                vectors = np.empty((len(texts), encoded.shape[1]), dtype=np.float32)
            vectors[rows] = encoded
            untold += len(rows)
            if tell is not None and (untold >= batch * TELL_BATCHES or start + batch >= len(texts)):
                tell(untold)
                untold = 0
        if vectors is None:
            raise ValueError("no texts to encode")
        broken = int((~np.isfinite(vectors).all(axis=1)).sum())
        if broken:
            raise UserError(
                f"the encoder gave {broken} vectors that are not finite (NaN or infinite): "
                "use encoder.dtype=float32 or another encoder.model"
            )
        return vectors

    def _lengths(self, texts: Sequence[str]) -> np.ndarray:
        """int [N]: tokens of each text, as far as the model reads them; characters for a model that pads nothing."""
        from transformers import PreTrainedTokenizerBase

        tokenizer = getattr(self.model, "tokenizer", None)
        if not isinstance(tokenizer, PreTrainedTokenizerBase):
            return np.array([len(text) for text in texts])
        counted = tokenizer(list(texts), truncation=True, max_length=self.model.max_seq_length, padding=False)
        return np.array([len(ids) for ids in counted["input_ids"]])


def _with_mean_pooling(model: Any) -> Any:
    """The same transformer with the mean over its tokens and nothing behind it. Padding is left out of the mean, so a
    text has the vector it would have alone."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    transformer = model[0]
    pooled = Pooling(transformer.get_embedding_dimension(), "mean")
    return SentenceTransformer(modules=[transformer, pooled], device=str(model.device))
