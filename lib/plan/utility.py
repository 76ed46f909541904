"""Tasks of lm-evaluation-harness as a study asks for them: what they read, and what their results depend on.

The identity holds the harness' version and the task's own settings besides what the study sets, and the content of the data: of
local files their digest, of the hub the commit. What a task's code fetches by itself is named by the version alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from lib.corpus.hub import dataset_commit
from lib.errors import UserError
from lib.harness.catalogue import Entry, evaluating_file, find_task, harness_version
from lib.harness.data import data_identity, shots
from lib.plan.lookup import Lookup
from lib.store import digest_value
from lib.study.lm_eval import HarnessTask
from lib.study.schema import Study

COMMIT = re.compile(r"[0-9a-f]{40}")
FILE_BUILDERS = {"json", "csv", "parquet", "text", "arrow", "pandas", "xml", "webdataset"}
"""Names in a task's `dataset_path` that are no data set of the hub but a way to read files that it names itself."""


@dataclass(frozen=True, kw_only=True)
class AskedTask:
    """A task with everything a plan knows of it."""

    asked: HarnessTask
    entry: Entry
    identity: Mapping[str, Any] | None
    """None: the hub has still to say which commit a revision is."""
    commits: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.asked.task


def harness_tasks(study: Study, lookup: Lookup, online: bool) -> list[AskedTask]:
    """The tasks of a study.

    Raises:
        UserError: the harness is not installed, has no such task, or the task cannot be asked as the study wants.
    """
    return [_asked(one, study, lookup, online) for one in study.evaluate.lm_eval]


def _asked(asked: HarnessTask, study: Study, lookup: Lookup, online: bool) -> AskedTask:
    entry = find_task(asked.task)
    _check(asked, entry)
    identity: dict[str, Any] = {
        "task": asked.task, "lm_eval": harness_version(),
        "config": digest_value([[leaf.name, dict(leaf.config)] for leaf in entry.leaves]),
        "limit": asked.limit, "num_fewshot": asked.num_fewshot, "chat": asked.chat,
        "block": study.evaluate.engine.block, "max_model_tokens": study.evaluate.engine.max_model_tokens,
    }  # fmt: skip
    if asked.data:
        return AskedTask(asked=asked, entry=entry, identity=identity | {"data": data_identity(entry.leaves, asked)})
    commits = _commits(asked, entry, lookup, online)
    known = None if commits is None else identity | {"data": commits}
    return AskedTask(asked=asked, entry=entry, identity=known, commits=commits or {})


def _check(asked: HarnessTask, entry: Entry) -> None:
    said = f"lm_eval task {asked.task}"
    for leaf in entry.leaves:
        if leaf.config.get("unsafe_code"):
            raise UserError(f"{said}: {leaf.name} runs code that a model wrote, which Ballast does not: leave it out")
    if (file := evaluating_file(entry)) is not None:
        raise UserError(
            f"{said}: {file} of the harness runs texts as code, which Ballast does not do to answers: leave it out"
        )
    for leaf in entry.leaves:
        if leaf.config.get("doc_to_image") or leaf.config.get("doc_to_audio"):
            raise UserError(f"{said}: {leaf.name} shows images or sounds, and these engines read text: leave it out")
        if asked.num_fewshot and leaf.config.get("num_fewshot") == 0:
            raise UserError(f"{said}: {leaf.name} is asked without examples by its own rule: leave num_fewshot out")
        if shots(leaf, asked) and leaf.config.get("output_type") == "loglikelihood_rolling":
            raise UserError(f"{said}: {leaf.name} scores whole texts, which have no examples: leave num_fewshot out")


def _commits(asked: HarnessTask, entry: Entry, lookup: Lookup, online: bool) -> dict[str, str] | None:
    """The commit of every data set of the hub that a task reads; None where the hub has not been asked."""
    named = {
        str(leaf.config["dataset_path"]): (leaf.config.get("dataset_kwargs") or {}).get("revision")
        for leaf in entry.leaves
        if leaf.config.get("dataset_path") and "custom_dataset" not in leaf.config
    }
    on_hub = {path: own for path, own in named.items() if path not in FILE_BUILDERS}
    if asked.revision and len(on_hub) != 1:
        raise UserError(f"lm_eval task {asked.task} reads {len(on_hub)} data sets of the hub: leave revision out")
    found = {}
    for path, own in on_hub.items():
        revision = asked.revision or own
        if revision and COMMIT.fullmatch(revision):
            found[path] = revision
        elif not online:
            return None
        else:
            try:
                found[path] = lookup.once(("data set", path, revision), partial(dataset_commit, path, revision))
            except UserError as error:
                raise UserError(
                    f"lm_eval task {asked.task}: {error}, or its files in evaluate.lm_eval's data"
                ) from None
    return found
