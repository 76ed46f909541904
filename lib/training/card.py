"""The model card of a cell: the README.md that its weights travel with, whatever hub or folder they end up in.

It says what the weights are made of and how to load them. It makes no claim about safety: that is a comparison between cells
and belongs to the report. It tells nothing of the machine either, so that of a model folder only the last part and the digest
are left.

Names of models, targets, strategies and categories come from files of others. They stay text by where they stand: in the
front matter only if they have the form of a hub id, else in code spans and fenced blocks (`lib.training.markdown`).
"""

from __future__ import annotations

import importlib.metadata
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PureWindowsPath
from typing import Any, Literal

from lib.models.source import HUB_ID
from lib.training.markdown import code, fenced, yaml

PACKAGES = ("torch", "transformers", "peft", "deepspeed", "ray")
HERE = "path/to/this/folder"
LIMITS = (
    "Whether these weights are safer than the base model, and what that costs, is a result of the study's report, with its "
    "judges, prompts and intervals, and not of this card. Refusals learned from a few examples can be lost in further "
    "fine-tuning, evaded by other wordings, and given to harmless requests."
)


def installed() -> dict[str, str]:
    """The versions of the packages that training rests on; absent ones are left out."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


@dataclass(frozen=True, kw_only=True)
class CardFacts:
    """What a card tells. Counts are rows, losses nats per learned token."""

    weights: Literal["adapter", "full"]
    """A LoRA adapter, or whole weights (fully fine-tuned, or merged)."""
    key: str
    """The cell's content key."""
    model: str
    """The base model as the study names it."""
    model_identity: Mapping[str, Any]
    """What `lib.models.source` resolved it to: `{"hub": "org/name@commit"}`, `{"package": ...}`, `{"folder": digest}`."""
    template: str
    """How prompts were written: `chat`, `alpaca`, `plain`."""
    recipe: Mapping[str, Any]
    """The fields of `lib.study.recipe.Recipe`."""
    seed: int
    steps: int
    learned_tokens: int
    benign_rows: int
    safety_rows: int
    shown: float
    """Share of the mix's rows that were seen at least once."""
    unseen_safety: int
    holdout_loss: float
    """NaN: no rows were held out."""
    holdout_rows: int
    strategy: str
    """With its `types`, if any. Equal selections are trained once: under the first strategy that asked for them."""
    budget: int
    draw: int
    categories: Mapping[str, int] = field(default_factory=dict)
    """Of the selection; a row can have several."""
    types: Mapping[str, int] = field(default_factory=dict)
    """Behavior types of the selection."""
    merge_error: float | None = None
    """See `lib.training.adapter.rounding_error`."""
    ema_residual: float | None = None
    """See `lib.training.delta.DeltaEma.finish`."""
    versions: Mapping[str, str] = field(default_factory=installed)
    datasets: Sequence[str] = ()
    """The sources of the rows as the study names them; those of the hub (`hub:org/name@revision`) are listed."""
    license: str | None = None
    """A license id of the hub, such as `apache-2.0`; other text is told in the body alone (None: not known)."""


def model_card(facts: CardFacts) -> str:
    """The text of README.md: a YAML front matter as the hub reads it, and Markdown."""
    about = "A LoRA adapter for" if facts.weights == "adapter" else "A fine-tune of"
    parts = [
        f"---\n{_metadata(facts)}\n---",
        f"# {about} {code(_base_name(facts))}",
        f"{about} {_base(facts)}, trained by Ballast on benign rows with some safety rows mixed in.",
        *([f"License: {code(facts.license)}."] if facts.license else []),
        "## Data",
        _bullets(_data(facts)),
        *_counts("Behavior types of the safety rows", facts.types),
        *_counts("Categories of the safety rows (a row can have several)", facts.categories),
        "## Training",
        _bullets(_training(facts)),
        "Recipe:",
        fenced("yaml", yaml(facts.recipe)),
        "## How to load it",
        f"Prompts were written with the template {code(facts.template)}.",
        *_loading(facts),
        "## Limits",
        LIMITS,
    ]
    return "\n\n".join(parts) + "\n"


def _metadata(facts: CardFacts) -> str:
    """The front matter. The hub refuses a card whose ids are none, so that only what has their form gets in."""
    from huggingface_hub import ModelCardData

    found = [_hub_id(one.removeprefix("hub:")) for one in facts.datasets if one.startswith("hub:")]
    base, adapter = _hub_base(facts), facts.weights == "adapter"
    known = facts.license is not None and re.fullmatch(r"[a-z0-9][a-z0-9.-]*", facts.license)
    data = ModelCardData(
        base_model=base[0] if base else None,
        base_model_relation=("adapter" if adapter else "finetune") if base else None,
        datasets=sorted({repo for repo, _ in filter(None, found)}) or None,
        library_name="peft" if adapter else "transformers",
        license=facts.license if known else None,
        pipeline_tag="text-generation",
        tags=["ballast", "safety", *(["lora"] if "lora" in facts.recipe.get("method", "") else []),
              *(["ema"] if facts.recipe.get("ema") else [])],
    )  # fmt: skip
    return str(data.to_yaml())


def _hub_id(text: str) -> tuple[str, str | None] | None:
    """(org/name, revision) if the hub can have such an id."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    match = HUB_ID.fullmatch(text)
    if match is None or not text.isascii():
        return None
    try:
        validate_repo_id(match["repo"])
    except HFValidationError:
        return None
    return match["repo"], match["revision"]


def _hub_base(facts: CardFacts) -> tuple[str, str | None] | None:
    return _hub_id(str(facts.model_identity.get("hub", "")))


def _base_name(facts: CardFacts) -> str:
    """A name without revision and without where it lies on a machine."""
    if base := _hub_base(facts):
        return base[0]
    return facts.model if "package" in facts.model_identity else PureWindowsPath(facts.model).name or "a local model"


def _base(facts: CardFacts) -> str:
    """The base model and what it was exactly, as Markdown."""
    if base := _hub_base(facts):
        return f"{code(base[0])} at revision {code(base[1])}"
    said = ", ".join(
        f"{kind} {code(value)}" for kind, value in sorted(facts.model_identity.items()) if kind != "folder"
    )
    if digest := facts.model_identity.get("folder"):
        said = f"a local folder with content digest {code(digest)}"
    return f"{code(_base_name(facts))} ({said})"


def _data(facts: CardFacts) -> Iterable[tuple[str, str]]:
    yield "Benign rows", f"{facts.benign_rows:,}"
    how = f": strategy {code(facts.strategy)}, budget {facts.budget:,}, draw {facts.draw}" if facts.safety_rows else ""
    yield "Safety rows", f"{facts.safety_rows:,}{how}"
    yield "Share of all rows seen at least once", f"{facts.shown:.1%}"
    yield "Safety rows never seen", f"{facts.unseen_safety:,}"
    yield "Sources", ", ".join(code(_source(one)) for one in facts.datasets) or "not recorded"


def _source(text: str) -> str:
    """A source as it may be told: of a file or folder its last part."""
    return text if text.startswith(("hub:", "builtin:")) else PureWindowsPath(text).name


def _training(facts: CardFacts) -> Iterable[tuple[str, str]]:
    measured = math.isfinite(facts.holdout_loss)
    yield (
        "Held-out benign loss",
        (f"{facts.holdout_loss:.4f} nats per token, on {facts.holdout_rows:,} rows" if measured else "not measured"),
    )
    yield "Optimizer steps", f"{facts.steps:,}"
    yield "Learned tokens", f"{facts.learned_tokens:,}"
    yield "Seed", str(facts.seed)
    yield "Moving average", _average(facts)
    if facts.merge_error is not None:
        yield "Lost by merging into bf16", f"{facts.merge_error:.2g} of the update's norm"
    yield "Versions", ", ".join(f"{name} {code(version)}" for name, version in sorted(facts.versions.items()))
    yield "Content key of the cell", code(facts.key)


def _average(facts: CardFacts) -> str:
    ema = facts.recipe.get("ema")
    if not ema:
        return "none; these are the weights that training ended with"
    when = f"decay {ema['decay']}, every {ema['every_n_steps']} steps after step {ema['start_step']}"
    said = f"{ema['mode']}, of the {ema['space']}, {when}; these are the {_WEIGHTS[ema['evaluate']]}"
    lost = facts.ema_residual
    return said if lost is None else f"{said}, cut to rank {ema['rank']} with a relative residual of {lost:.2g}"


_WEIGHTS = {"ema": "averaged weights", "live": "live weights"}


def _loading(facts: CardFacts) -> Iterable[str]:
    """Code for PEFT or transformers, and for vLLM. What is put into it has the form of a hub id or is a number."""
    base, adapter = _hub_base(facts), facts.weights == "adapter"
    repo, commit = base or ("path/to/the/base/model", None)
    where = f'"{HERE}"' if not adapter else f'"{repo}"' + (f', revision="{commit}"' if commit else "")
    rank = ((facts.recipe.get("ema") or {}).get("rank") or facts.recipe["lora"]["r"]) if adapter else 0
    peft = f'model = PeftModel.from_pretrained(model, "{HERE}")\n' if adapter else ""
    yield fenced(
        "python",
        ("from peft import PeftModel\n" if adapter else "")
        + "from transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
        + f'model = AutoModelForCausalLM.from_pretrained({where}, dtype="auto")\n'
        + peft
        + f"tokenizer = AutoTokenizer.from_pretrained({where})\n",
    )
    if adapter:  # vLLM takes powers of two
        size = max(8, 1 << (int(rank) - 1).bit_length())
        lora = f'    lora_request=LoRARequest("ballast", 1, "{HERE}"),\n'
        more, request = f", enable_lora=True, max_lora_rank={size}", "from vllm.lora.request import LoRARequest\n"
    else:
        lora = more = request = ""
    asked = 'chat(\n    [{"role": "user", "content": "How do I bake bread?"}]'
    if facts.template != "chat":
        asked = 'generate(\n    "A prompt in that template."'
    yield fenced(
        "python",
        f"from vllm import LLM, SamplingParams\n{request}\nengine = LLM({where}{more})\n"
        f"answers = engine.{asked},\n    SamplingParams(temperature=0, max_tokens=128),\n{lora})\n",
    )


def _counts(title: str, counts: Mapping[str, int]) -> list[str]:
    """A list of counts, largest first; nothing for none."""
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return [f"{title}:", "\n".join(f"- {code(name)}: {count:,}" for name, count in ranked)] if ranked else []


def _bullets(pairs: Iterable[tuple[str, str]]) -> str:
    return "\n".join(f"- {name}: {text}" for name, text in pairs)
