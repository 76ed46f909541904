"""The families' real vocabularies, from packages that carry them, as the model folders that a hub would give.

LLaMA-2's own vocabulary is in no package: Mistral v1's stands in for it, made by the same SentencePiece rules with the
same ids for <unk>, <s> and </s>.
"""

from __future__ import annotations

import base64
import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

CONFIGS: dict[str, dict[str, Any]] = {
    "llama-2": {
        "model_type": "llama", "vocab_size": 32000, "rope_theta": 10000.0, "max_position_embeddings": 4096,
        "eos_token_id": 2,
    },
    "llama-3": {
        "model_type": "llama", "vocab_size": 128256, "rope_theta": 500000.0, "max_position_embeddings": 8192,
        "eos_token_id": [128001, 128009],
    },
    "qwen2.5": {
        "model_type": "qwen2", "vocab_size": 152064, "rope_theta": 1000000.0, "max_position_embeddings": 32768,
        "eos_token_id": [151645, 151643],
    },
    "mistral-v1": {"model_type": "mistral", "vocab_size": 32000, "max_position_embeddings": 32768, "eos_token_id": 2},
    "mistral-v3": {"model_type": "mistral", "vocab_size": 32768, "max_position_embeddings": 32768, "eos_token_id": 2},
    "mistral-tekken": {
        "model_type": "mistral", "vocab_size": 131072, "max_position_embeddings": 131072, "eos_token_id": 2,
    },
}  # fmt: skip
"""What tells the family in each model's config.json, as released."""
MISTRAL = {
    "mistral-v1": "tokenizer.model.v1",
    "mistral-v3": "mistral_instruct_tokenizer_240323.model.v3",
    "mistral-tekken": "tekken_240718.json",
}
MARKS = {"mistral-v3": ["[INST]", "[/INST]"]}
LLAMA_3 = ["begin_of_text", "end_of_text", "reserved_special_token_0", "reserved_special_token_1",
           "finetune_right_pad_id", "step_id", "start_header_id", "end_header_id", "eom_id", "eot_id", "python_tag",
           "image", *(f"reserved_special_token_{n}" for n in range(2, 246))]  # fmt: skip
QWEN = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
QWEN_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def carried(package: str, file: str) -> Path:
    """A file of an installed package, which is not imported; skips where it is absent."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"{package} is not installed: it carries the vocabulary that this test reads")
    return Path(spec.submodule_search_locations[0]) / file


def mistral_file(name: str) -> Path:
    """The file that mistral_common has for a Mistral vocabulary."""
    return carried("mistral_common", f"data/{MISTRAL[name]}")


def make_folder(name: str, folder: Path) -> Path:
    """Write tokenizer and config.json of a model (`CONFIGS`), without a chat template."""
    if name == "llama-3":
        made = _llama_3(carried("llama_models", "llama3/tokenizer.model"))
    elif name == "qwen2.5":
        made = _qwen(carried("dashscope", "resources/qwen.tiktoken"))
    elif name == "mistral-tekken":
        made = _tekken(mistral_file(name))
    else:
        made = _sentencepiece(mistral_file("mistral-v1" if name == "llama-2" else name), MARKS.get(name))
    made.save_pretrained(folder)
    (folder / "config.json").write_text(json.dumps(CONFIGS[name]))
    if name == "llama-2":  # its own class, which makes the tokenizer anew when it is loaded
        told = folder / "tokenizer_config.json"
        told.write_text(json.dumps(json.loads(told.read_text()) | {"tokenizer_class": "LlamaTokenizer"}))
    return folder


def _fast(raw: Any, **special: Any) -> Any:
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(tokenizer_object=raw, **special)


def _adds_bos(raw: Any, bos: str) -> Any:
    from tokenizers import processors

    raw.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A", pair=f"{bos} $A {bos}:1 $B:1", special_tokens=[(bos, raw.token_to_id(bos))]
    )
    return raw


def _llama_3(file: Path) -> Any:
    from transformers.convert_slow_tokenizer import TikTokenConverter

    raw = TikTokenConverter(str(file), extra_special_tokens=[f"<|{mark}|>" for mark in LLAMA_3]).converted()
    return _fast(_adds_bos(raw, "<|begin_of_text|>"), bos_token="<|begin_of_text|>", eos_token="<|eot_id|>")


def _qwen(file: Path) -> Any:
    from transformers.convert_slow_tokenizer import TikTokenConverter

    raw = TikTokenConverter(str(file), pattern=QWEN_WORDS, extra_special_tokens=QWEN).converted()
    return _fast(raw, eos_token="<|im_end|>", pad_token="<|endoftext|>")


def _sentencepiece(file: Path, marks: list[str] | None) -> Any:
    """As the released tokenizer.json: v1 puts a space in front of every piece of text, v3 of the first one only."""
    from tokenizers import AddedToken, Tokenizer, decoders, normalizers, pre_tokenizers
    from tokenizers.models import BPE
    from transformers.convert_slow_tokenizer import SentencePieceExtractor

    parts = SentencePieceExtractor(str(file)).extract(BPE)
    raw = Tokenizer(
        BPE(vocab=parts["vocab"], merges=parts["merges"], unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    if marks:
        raw.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first", split=False)
    else:
        raw.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    raw.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    special = ["<unk>", "<s>", "</s>", *(marks or [])]
    raw.add_special_tokens([AddedToken(text, normalized=False, special=True) for text in special])
    return _fast(_adds_bos(raw, "<s>"), bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def _tekken(file: Path) -> Any:
    """Ranks after a thousand special tokens."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, pre_tokenizers
    from tokenizers.models import BPE
    from transformers.convert_slow_tokenizer import TikTokenConverter

    told = json.loads(file.read_text())
    first = told["config"]["default_num_special_tokens"]
    words = told["vocab"][: told["config"]["default_vocab_size"] - first]
    ranks = {base64.b64decode(word["token_bytes"]): word["rank"] for word in words}

    class Ranks(TikTokenConverter):
        @staticmethod
        def load_tiktoken_bpe(tiktoken_url: str) -> dict[bytes, int]:
            return ranks

    vocab, merges = Ranks().extract_vocab_merges_from_model("")
    special = {"<unk>": 0, "<s>": 1, "</s>": 2, "[INST]": 3, "[/INST]": 4, "<pad>": 10}
    vocab = {**special, **{word: rank + first for word, rank in vocab.items()}}
    raw = Tokenizer(BPE(vocab, merges, ignore_merges=True))
    raw.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(told["config"]["pattern"]), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    raw.decoder = decoders.ByteLevel()
    raw.add_special_tokens([AddedToken(text, normalized=False, special=True) for text in special])
    return _fast(_adds_bos(raw, "<s>"), bos_token="<s>", eos_token="</s>", unk_token="<unk>")
