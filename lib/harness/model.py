"""A running engine as a model of lm-evaluation-harness. Imported where it is used: it needs the harness.

Texts become token ids as the harness' own `hf` model makes them (the tokenizer's special tokens in front, unless the text begins
with its BOS already), so that scores can be laid beside published ones; a test holds the two against each other.

A log-likelihood is asked for as what the next token would be, one request for each place of the answer: the request has the
context in the prefix cache, and all answers to one question that begin alike share it (the four letters of MMLU are one request).
Log-probabilities of a whole prompt are one request for any length, but take no prefix from the cache, cost a softmax over the
vocabulary at every place, and fail on a CPU as soon as an adapter is in the row; they are for longer answers and whole texts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from lm_eval.api.model import TemplateLM
from lm_eval.models.utils import handle_stop_sequences, normalize_gen_kwargs
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

from lib.errors import UserError
from lib.files import write_text
from lib.generation.answers import blocks
from lib.store import at, deliver
from lib.store.digest import digest_value
from lib.store.place import Address

SHORT = 4
"""Answers of up to so many tokens are asked for token by token."""
MAX_IDS = 128
"""Tokens whose log-probability one vLLM request gives."""
MAX_GEN_TOKENS = 256
"""New tokens where a task names no number: the harness' own default."""
AS_IT_STANDS = {"skip_special_tokens": False, "spaces_between_special_tokens": False}
"""Tasks look for their stop texts in all that was said."""
SAMPLING = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty", "presence_penalty", "frequency_penalty")
"""Decoding settings of tasks that are the engine's too, under the same name."""

Ask = Callable[[Sequence[Sequence[int]], Sequence[Any]], list[Any]]
"""Token ids and vLLM sampling parameters of one closed batch -> vLLM's outputs."""


class Request(NamedTuple):
    """One prompt for the engine."""

    ids: Sequence[int]
    settings: Mapping[str, Any]
    """vLLM's sampling settings, plain JSON; greedy where they say nothing."""
    start: int = 0
    """Where in the prompt the answer begins that is scored."""


class EngineModel(TemplateLM):  # type: ignore[misc]
    """What the engine has loaded, asked in closed blocks of fixed membership.

    Args:
        window: the engine's longest prompt plus answer, in tokens.
        longest: the longest that the model itself was made for. A prompt over the window is cut from the left, as the harness
            does, only where a larger window is not to be had; cut prompts are counted.
        whole_prompts: may the engine be asked for the log-probabilities of a prompt?
        parts: a folder in which each block is written down as it ends, and found again by a run that goes on from there.
    """

    def __init__(
        self,
        ask: Ask,
        tokenizer: Any,
        *,
        window: int,
        longest: int,
        block: int,
        whole_prompts: bool,
        chat: str | None,
        parts: Address | None = None,
    ) -> None:
        super().__init__()
        self.ask, self.tokenizer, self.window, self.longest, self.block = ask, tokenizer, window, longest, block
        self.whole_prompts, self.chat, self.parts = whole_prompts, chat, parts
        self.requests = self.cut = self.tokens = self.unfinished = 0

    @property
    def eot_token_id(self) -> int:
        return int(self.tokenizer.eos_token_id)

    @property
    def prefix_token_id(self) -> int:
        """What stands before a text without context."""
        bos = self.tokenizer.bos_token_id
        return self.eot_token_id if bos is None else int(bos)

    @property
    def max_length(self) -> int:
        return self.window

    @property
    def tokenizer_name(self) -> str:
        return str(self.tokenizer.name_or_path).replace("/", "__")

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """Turns as the text of the model's chat template."""
        return str(
            self.tokenizer.apply_chat_template(
                chat_history, chat_template=self.chat, tokenize=False, add_generation_prompt=add_generation_prompt,
                continue_final_message=not add_generation_prompt,
            )
        )  # fmt: skip

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **_: Any) -> list[int]:
        """Token ids of a text."""
        if add_special_tokens is None:
            bos = self.tokenizer.bos_token
            add_special_tokens = not (bos and string.startswith(bos))
        return list(self.tokenizer(string, add_special_tokens=add_special_tokens)["input_ids"])

    def _loglikelihood_tokens(
        self, requests: Sequence[tuple[Any, list[int], list[int]]], **_: Any
    ) -> list[tuple[float, bool]]:
        """(log p of the answer, is it what greedy decoding gives) for each (texts, ids of the context, ids of the answer)."""
        self.requests += len(requests)
        pairs = [(self._fitting(context, len(answer)), answer) for _, context, answer in requests]
        found: list[tuple[float, bool]] = [(0.0, True)] * len(pairs)
        short = [k for k, (_, answer) in enumerate(pairs) if not self.whole_prompts or len(answer) <= SHORT]
        long = sorted(set(range(len(pairs))) - set(short))
        for some, score in ((short, self._by_next_token), (long, self._by_prompt)):
            for k, said in zip(some, score([pairs[k] for k in some]), strict=True):
                found[k] = said
        return found

    def _fitting(self, ids: list[int], room: int) -> list[int]:
        """A prompt that leaves `room` tokens of the window, plus one that every request must generate."""
        over = len(ids) + room + 1 - self.window
        if over <= 0:
            return ids
        if self.window < self.longest:
            raise UserError(
                f"an lm_eval prompt and its answer take {len(ids) + room + 1} tokens, over "
                f"evaluate.engine.max_model_tokens {self.window}: raise it (this model takes {self.longest})"
            )
        if over >= len(ids):
            raise UserError(f"an lm_eval answer of {room} tokens leaves no room for a prompt in {self.window} tokens")
        self.cut += 1
        return ids[over:]

    def _by_next_token(self, pairs: Sequence[tuple[list[int], list[int]]]) -> Iterator[tuple[float, bool]]:
        wanted: dict[tuple[int, ...], dict[int, None]] = {}
        for context, answer in pairs:
            whole = context + answer
            for place in range(len(context), len(whole)):
                wanted.setdefault(tuple(whole[:place]), {})[whole[place]] = None
        asked = [
            Request(prefix, {"max_tokens": 1, "logprob_token_ids": list(tokens)[start : start + MAX_IDS]})
            for prefix, tokens in wanted.items()
            for start in range(0, len(tokens), MAX_IDS)
        ]
        table: dict[tuple[Sequence[int], int], tuple[float, bool]] = {}
        for request, (first, values) in zip(asked, self._in_blocks(asked, _next_token), strict=True):
            for token, value in zip(request.settings["logprob_token_ids"], values, strict=True):
                table[request.ids, token] = (value, first == token)
        for context, answer in pairs:
            whole = context + answer
            told = [table[tuple(whole[:place]), whole[place]] for place in range(len(context), len(whole))]
            yield sum(value for value, _ in told), all(greedy for _, greedy in told)

    def _by_prompt(self, pairs: Sequence[tuple[list[int], list[int]]]) -> Iterator[tuple[float, bool]]:
        asked = [
            Request(context + answer, {"max_tokens": 1, "prompt_logprobs": 0}, len(context))
            for context, answer in pairs
        ]
        yield from ((value, greedy) for value, greedy in self._in_blocks(asked, _end_of_prompt))

    def loglikelihood_rolling(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[float]:
        """log p of whole texts, in windows that predict each token once, with as much before it as fits."""
        parts, owners = [], []
        for k, request in enumerate(requests):
            windows = get_rolling_token_windows(
                token_list=self.tok_encode(request.args[0]), prefix_token=self.prefix_token_id,
                max_seq_len=self.window - 2, context_len=1,
            )  # fmt: skip
            for context, answer in map(make_disjoint_window, windows):
                parts.append((None, list(context), list(answer)))
                owners.append(k)
        totals = [0.0] * len(requests)
        for k, (value, _) in zip(owners, self._loglikelihood_tokens(parts), strict=True):
            totals[k] += value
        return totals

    def generate_until(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[str]:
        """Answers up to the task's stop texts, decoded as the task says; row k of a sampling task has seed k."""
        self.requests += len(requests)
        asked = []
        for seed, request in enumerate(requests):
            text, given = request.args
            until, most, decoding = decoding_of(given, self.tokenizer.eos_token, request.task_name)
            settings = decoding | {"max_tokens": most, "stop": until} | AS_IT_STANDS
            if decoding["temperature"]:
                settings["seed"] = seed
            asked.append(Request(self._fitting(self.tok_encode(text), most - 1), settings))
        answers = []
        for request, (text, tokens, finish) in zip(asked, self._in_blocks(asked, _text), strict=True):
            self.tokens += tokens
            self.unfinished += finish == "length"
            answers.append(min((text.partition(end)[0] for end in request.settings["stop"]), key=len, default=text))
        return answers

    def _in_blocks(self, asked: Sequence[Request], read: Callable[[Any, Request], Any]) -> Iterator[Any]:
        """What was said to each request, as `read` gives it: plain JSON, so that it can be written down block by block."""
        from vllm import SamplingParams

        for block in blocks(len(asked), self.block):
            some = asked[block.start : block.stop]
            name = digest_value([read.__name__, [[list(one.ids), one.settings, one.start] for one in some]])
            part = at(self.parts) / f"block_{name}.json" if self.parts else None
            if part is not None and part.exists():
                yield from json.loads(part.read_text(encoding="utf-8"))
                continue
            outputs = self.ask(
                [one.ids for one in some], [SamplingParams(**{"temperature": 0.0, **one.settings}) for one in some]
            )
            said = [read(output, one) for output, one in zip(outputs, some, strict=True)]
            if part is not None:
                write_text(part, json.dumps(said, ensure_ascii=False))
                deliver(self.parts or part.parent, part.name)
            yield from said


def _next_token(output: Any, request: Request) -> tuple[int, list[float]]:
    """(the likeliest token, log-probabilities of those that were asked for)"""
    said = output.outputs[0]
    values = [float(said.logprobs[0][token].logprob) for token in request.settings["logprob_token_ids"]]
    return int(said.token_ids[0]), values


def _end_of_prompt(output: Any, request: Request) -> tuple[float, bool]:
    """(log-probability of the prompt from its start on, is each of these tokens the likeliest)"""
    places = zip(output.prompt_logprobs[request.start :], request.ids[request.start :], strict=True)
    told = [at[token] for at, token in places]
    return sum(float(one.logprob) for one in told), all(one.rank == 1 for one in told)


def _text(output: Any, _: Request) -> tuple[str, int, str]:
    """(text, its tokens, why it ended)"""
    said = output.outputs[0]
    return said.text, len(said.token_ids), str(said.finish_reason)


def decoding_of(given: Mapping[str, Any], eos: str | None, task: str | None) -> tuple[list[str], int, dict[str, Any]]:
    """A task's own generation settings: (stop texts, most new tokens, the engine's sampling settings).

    Raises:
        UserError: the task asks for a decoding that the engine does not have.
    """
    rest: dict[str, Any] = normalize_gen_kwargs(dict(given), MAX_GEN_TOKENS)
    until: list[str] = handle_stop_sequences(rest.pop("until"), eos)
    most = int(rest.pop("max_gen_toks"))
    rest.pop("do_sample")
    decoding = {"temperature": 0.0} | {key: rest.pop(key) for key in SAMPLING if rest.get(key) is not None}
    if unsupported := sorted(f"{key}={value}" for key, value in rest.items() if (key, value) != ("num_beams", 1)):
        raise UserError(
            f"lm_eval task {task}: its generation_kwargs ask for {', '.join(unsupported)}, which these engines do not do"
        )
    return [end for end in until if end], most, decoding
