"""Llama Guard (Inan et al. 2023, arXiv 2312.06674; versions 2 to 4): safe or unsafe, for the last turn of a conversation.

Its form, with the hazard list of its version, is the chat template of its own tokenizer, as its model cards recommend; so
one file serves every version, and a list of hazards is never copied here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lib.errors import UserError
from lib.guards.guard import Ask, Guard, harmless_marks, special_marks

MARKS = ("<BEGIN CONVERSATION>", "<END CONVERSATION>", "[INST]", "[/INST]")
VERDICTS = {"unsafe": True, "safe": False}


class LlamaGuard(Guard):
    """`llama_guard`: is the request harmful (asked about it alone), is the answer harmful (asked about both)."""

    name = "llama_guard"
    answers = ("harmful_request", "harmful_response")
    max_tokens = 20
    form = "chat template of the model"
    example = "meta-llama/Llama-Guard-3-8B"

    def asks(self, instruction: str, response: str) -> Sequence[Ask]:
        return [Ask((instruction,), ("harmful_request",)), Ask((instruction, response), ("harmful_response",))]

    def prompt_ids(self, tokenizer: Any, ask: Ask) -> list[int]:
        if not tokenizer.chat_template:
            raise UserError(
                "guards.llama_guard.source has no chat template, and that is where its prompt is: use the whole model folder"
            )
        marks = {*MARKS, *special_marks(tokenizer)}
        turns = [
            {"role": role, "content": harmless_marks(turn, marks)}
            for role, turn in zip(("user", "assistant"), ask.turns, strict=False)
        ]
        return list(tokenizer.apply_chat_template(turns, tokenize=True, add_generation_prompt=True, return_dict=False))

    def read(self, ask: Ask, said: str) -> dict[str, bool | None]:
        """The first line that is not empty is `safe` or `unsafe`; anything else is None."""
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        [question] = ask.questions
        return {question: VERDICTS.get(lines[0].lower()) if lines else None}
