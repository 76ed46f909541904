"""Token ids of a prompt and of a training example, made here and nowhere else.

Trainer and engine both get ids from these functions, so they cannot disagree about a template, a space or a leading BOS.
How many BOS a prompt starts with is the family's own matter: the chat template writes its special tokens itself, and for
the two plain templates the tokenizer adds what its family adds (LLaMA and Mistral one, Qwen2.5 none).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib.errors import UserError

ALPACA = (
    "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n### Response:\n"
)
"""Alpaca's prompt without input (Taori et al. 2023)."""

TEMPLATES = ("chat", "alpaca", "plain")


def load_tokenizer(folder: str | Path) -> Any:
    """The tokenizer of a model folder; never runs code from it."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)


def prompt_ids(tokenizer: Any, template: str, instruction: str) -> list[int]:
    """Token ids of a prompt, up to where the answer begins.

    Args:
        template: `chat` (the tokenizer's own), `alpaca`, or `plain` (the instruction and a line end).

    Raises:
        UserError: `chat` on a tokenizer without a chat template.
    """
    if template == "chat":
        if not tokenizer.chat_template:
            raise UserError(
                "models.template is chat and this model's tokenizer has no chat template: use alpaca or plain"
            )
        turns = [{"role": "user", "content": instruction}]
        return list(tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=True, return_dict=False))
    text = ALPACA.format(instruction=instruction) if template == "alpaca" else f"{instruction}\n"
    return list(tokenizer(text, add_special_tokens=True)["input_ids"])


@dataclass(frozen=True)
class TokenisedPair:
    """A training example: prompt and answer as one sequence."""

    ids: list[int]
    prompt_tokens: int
    """How many leading ids belong to the prompt."""
    cut: bool
    """The answer was cut at `max_tokens`; a cut example does not teach the end of the answer."""


def tokenise_pair(tokenizer: Any, template: str, instruction: str, response: str, max_tokens: int) -> TokenisedPair:
    """Prompt ids, answer ids, and the end-of-sequence id, cut at `max_tokens`."""
    prompt = prompt_ids(tokenizer, template, instruction)
    answer = [*tokenizer(response, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    ids = prompt + answer
    return TokenisedPair(ids[:max_tokens], min(len(prompt), max_tokens), len(ids) > max_tokens)


def tokenise_pairs(
    tokenizer: Any, template: str, pairs: Sequence[tuple[str, str]], max_tokens: int
) -> list[TokenisedPair]:
    """`tokenise_pair` over many."""
    return [tokenise_pair(tokenizer, template, instruction, response, max_tokens) for instruction, response in pairs]
