"""The three special tokens that go wrong in silence: the one a prompt begins with, the one an answer ends with, and padding.

A second BOS (the template writes one and the tokenizer another) or a missing one costs quality and raises nothing. An
answer taught to end with a token that the engine does not stop at runs on to the limit. Both are decided here, for
trainer and engine alike, and the first is checked on every prompt.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

from lib.errors import UserError
from lib.models.family import Family


def check_prompt_ids(tokenizer: Any, family: Family, ids: Sequence[int]) -> None:
    """Does a prompt begin with as many BOS as prompts of this family do?

    Raises:
        UserError: it does not; says how many there are and what to look at.
    """
    if family.leading_bos is None:
        return
    bos = tokenizer.bos_token_id
    found = 0 if bos is None else sum(1 for _ in takewhile(lambda token: token == bos, ids))
    if found != family.leading_bos:
        raise UserError(
            f"a prompt begins with {found} {tokenizer.bos_token or 'BOS'} where {family.name} has {family.leading_bos}: "
            "mend the tokenizer's chat_template or add_bos_token (or the instruction, if it writes one itself), or say "
            "models.family: none if this model was trained so"
        )


def engine_stops(tokenizer: Any, folder: Path) -> list[int]:
    """The ids that the engine stops at, the tokenizer's own first.

    vLLM stops at the tokenizer's end of sequence and at every `eos_token_id` of generation_config.json, or of config.json
    where that file is absent (`SamplingParams.update_from_generation_config` of vLLM 0.29).
    """
    stops = [] if tokenizer.eos_token_id is None else [int(tokenizer.eos_token_id)]
    generation = folder / "generation_config.json"
    file = generation if generation.is_file() else folder / "config.json"
    more = json.loads(file.read_text()).get("eos_token_id") if file.is_file() else None
    more = [] if more is None else more if isinstance(more, list) else [more]
    return list(dict.fromkeys([*stops, *map(int, more)]))


def stop_id(tokenizer: Any, folder: Path, family: Family) -> int:
    """The id that an example's answer ends with: always one that the engine stops at.

    The family's end of a turn where the engine stops there, since that is how the model ends its answers already: early
    LLaMA-3-Instruct tokenizers call <|end_of_text|> their end of sequence, and the model says <|eot_id|>. Else the
    tokenizer's: a base Qwen2.5 knows <|im_end|>, but nothing stops there.

    Raises:
        UserError: the engine would never stop.
    """
    stops = engine_stops(tokenizer, folder)
    if not stops:
        raise UserError("this model names no end of sequence: set eos_token in its tokenizer_config.json")
    end = None if family.turn_end is None else tokenizer.get_vocab().get(family.turn_end)
    return end if end in stops else stops[0]


def pad_id(tokenizer: Any, family: Family) -> int:
    """The id that fills the right of a batch: the tokenizer's, the family's, or else the end of sequence.

    None of them teaches anything or is looked at: `lib.training.batches` masks by length and never by id.
    """
    if tokenizer.pad_token_id is not None:
        return int(tokenizer.pad_token_id)
    named = None if family.pad is None else tokenizer.get_vocab().get(family.pad)
    return int(named if named is not None else tokenizer.eos_token_id or 0)
