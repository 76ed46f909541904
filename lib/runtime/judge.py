"""The judge stage: each judge goes over the answers of all cells together.

A judge that needs nothing (a phrase list, a server that is asked over the network) works in the driver: its work is not worth
a process, and a new judge of that kind must not start Ray. The others work on the cluster: one pool of engines for a judge
model, one process for what loads or learns, fed with closed chunks of pairs. Equal (prompt, answer) pairs are judged once,
whatever cell or prompt set they come from, and a set of answers is published as soon as the last of its pairs is known.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow.parquet as pq

from lib.files import write_text
from lib.judging.generative import Generative
from lib.judging.judge import Judge, Verdict, make_judge
from lib.plan import Lookup, Node
from lib.plan.node import VERSIONS
from lib.runtime.engine_pool import on_engines
from lib.runtime.judge_actors import JudgeEngine, Prepared
from lib.runtime.judge_chunks import Answers, Chunk, cut, finished_chunk, read_answers
from lib.runtime.session import Session
from lib.runtime.verdict_book import VerdictBook
from lib.runtime.vllm_engine import EngineSettings
from lib.store import at, here
from lib.store.digest import digest_value
from lib.store.place import Address, send
from lib.study.schema import Study

FACTS = "facts.json"


def judge_answers(session: Session, lookup: Lookup, nodes: Sequence[Node], study: Study) -> None:
    """Publish the verdicts (schema `VERDICTS`) of every judge node that has none.

    Args:
        nodes: all judge nodes of the plan, those that are done too: chunks are cut from all their answers.

    Raises:
        UserError: a judge gives no verdict at all, or its model cannot be asked in its form.
        RetriableError: engines were lost too often.
    """
    by_judge = defaultdict[str, list[Node]](list)
    for node in nodes:
        by_judge[node.task["judge"]].append(node)
    read: dict[Path, Answers] = {}
    for text, own in by_judge.items():
        with lookup.store.at_once():  # looked at when its turn comes: another driver may be at the same
            have = {node.key for node in own if lookup.have(node)}
            if len(have) == len({node.key for node in own}):
                continue
            files = [lookup.folder(node.inputs["generate"]) / "generations.parquet" for node in own]
            for node, file in zip(own, files, strict=True):
                if file not in read:
                    read[file] = read_answers(file, lookup.address(node.inputs["generate"]))
        answers = [(node, read[file]) for node, file in zip(own, files, strict=True)]
        judge = make_judge(text)
        book = VerdictBook(
            lookup, judge,
            [entry for entry in answers if entry[0].key not in have],
            [entry for entry in answers if entry[0].key in have], told=session.observer.judged,
        )  # fmt: skip
        book.publish()
        if judge.needs:
            _on_the_cluster(session, lookup, text, judge, book, answers, study)
        else:
            _here(judge, book)
        book.close()
        session.progress.say(f"judge {text}: {book.outcome()}")


def _here(judge: Judge, book: VerdictBook) -> None:
    """Judge in this process, set by set."""
    if book.wanted:
        book.facts = judge.prepare({}, gpu=False)
    for _, answers, _ in list(book.waiting):
        missing = {one: row for row, one in enumerate(answers.ids) if one is not None and one not in book.found}
        if not missing:
            continue
        table = pq.read_table(answers.file, columns=["prompt", "answer"]).take(list(missing.values()))
        pairs = list(zip(table["prompt"].to_pylist(), table["answer"].to_pylist(), strict=True))
        book.add(dict(zip(missing, judge.judge(pairs), strict=True)))


def _on_the_cluster(
    session: Session,
    lookup: Lookup,
    text: str,
    judge: Judge,
    book: VerdictBook,
    answers: Sequence[tuple[Node, Answers]],
    study: Study,
) -> None:
    """Judge on workers, chunk by chunk; what is done of it is written down until all of it is published."""
    node = answers[0][0]
    needed = {role: str(given.key) for role, given in node.inputs.items() if role != "generate"}
    settings = {name: node.task[name] for name in judge.settings}
    same = digest_value({"version": VERSIONS["judge"], **judge.identity, **settings, "inputs": needed})
    place = lookup.store.checkpoints(f"judge-{same}")
    target = lookup.store.address(place)
    folder = here(target)
    chunks = cut([one for _, one in answers], book.wanted)
    if (folder / FACTS).exists():
        book.facts = json.loads((folder / FACTS).read_text())
    missing = []
    for chunk in chunks:
        done = finished_chunk(chunk, folder)
        if done is None:
            missing.append(chunk)
        else:
            book.add(dict(zip(chunk.ids, done, strict=True)))
    subject, total = f"judge {text}", sum(len(chunk.ids) for chunk in missing)
    seen = 0
    for chunk, found in _judged(session, lookup, text, judge, node, missing, target, book, study) if missing else ():
        book.add(dict(zip(chunk.ids, found, strict=True)))
        seen += len(chunk.ids)
        session.progress.tick(subject, seen, total, "answers")
    if not book.waiting or not book.readable:  # an unreadable judge is to be asked again, once it is mended
        lookup.store.remove(place)


def _judged(
    session: Session,
    lookup: Lookup,
    text: str,
    judge: Judge,
    node: Node,
    chunks: Sequence[Chunk],
    target: Address,
    book: VerdictBook,
    study: Study,
) -> Iterator[tuple[Chunk, list[Verdict]]]:
    """Every chunk with its verdicts, as they come."""
    inputs = {role: lookup.address(given) for role, given in node.inputs.items() if role != "generate"}
    if isinstance(judge, Generative):
        yield from on_engines(
            session, f"judge {text}", JudgeEngine, _engine(session, inputs["model"], node, study), [judge], chunks,
            retries=study.train.retries, ask=lambda actor, chunk: actor.judge_chunk.remote(chunk, target),
            name=lambda chunk: f"chunk {chunk.number}",
        )  # fmt: skip
        return
    worker = Prepared(session, text, judge, inputs, study.train.retries)
    try:
        book.facts = worker.start()
        write_text(at(target) / FACTS, json.dumps(book.facts))
        send(target, FACTS)
        yield from worker.judged(chunks, target)
    finally:
        worker.stop()


def _engine(session: Session, model: Address, node: Node, study: Study) -> EngineSettings:
    return EngineSettings(
        model=str(model), gpu=session.gpus > 0, threads=session.threads, dtype=node.task["dtype"],
        max_model_tokens=node.task["max_model_tokens"], study=study.name, title=node.inputs["model"].title,
        **study.evaluate.engine.model_dump(include={"kv_cache_gb", "gpu_memory", "compile", "stuck_s"}),
    )  # fmt: skip
