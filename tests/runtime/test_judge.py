"""The judge stage: who judges where, each pair once over all cells, and what is left after a kill."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest

from lib.errors import UserError
from lib.guards.guard import Ask
from lib.judging.generative import TOO_LONG
from lib.judging.judge import Judge, Verdict
from lib.plan import Lookup, Node, Plan, make_plan
from lib.progress import Progress
from lib.runtime import judge as stage
from lib.runtime import judge_chunks
from lib.runtime.engine_pool import on_engines
from lib.runtime.judge import judge_answers
from lib.runtime.judge_chunks import Answers, Chunk, cut, judge_chunk
from lib.runtime.session import Session
from lib.study import Study
from lib.study.schema import Cluster
from tests.makers import demo, model_folder
from tests.runtime.answers import answered
from tests.runtime.conftest import SPOKEN

SAME = ["No.", "Yes, of course.", None, "No.", ""]
"""What every cell answers; beside it, each has one answer of its own."""


def by_cell(node: Node) -> list[str | None]:
    return [*SAME, f"I am {node.title}."]


class Recorder(Judge):
    """Writes down what it was shown, where a worker's notes can be read; not registered, since it has no name."""

    tells = ("harmful", "score")

    def __init__(self, notes: Path | None = None) -> None:
        super().__init__()
        self.notes = notes
        self.shown: list[tuple[str, str]] = []

    def prepare(self, folders: Mapping[str, Path], *, gpu: bool) -> dict[str, Any]:
        self.note(f"prepared {','.join(sorted(folders))} {gpu}")
        return {"accuracy": 0.75}

    def judge(self, pairs: Sequence[tuple[str, str]]) -> list[Verdict]:
        self.shown += pairs
        self.note(f"judged {len(pairs)}")
        return [Verdict(harmful=answer.startswith("Yes"), score=float(len(answer))) for _, answer in pairs]

    def note(self, text: str) -> None:
        if self.notes:
            with self.notes.open("a") as file:
                file.write(f"{text}\n")


class Mute(Judge):
    """Never gives a verdict."""

    name = ""

    def judge(self, pairs: Sequence[tuple[str, str]]) -> list[Verdict]:
        return [Verdict(said="so\nso", error="unreadable") for _ in pairs]


@pytest.fixture
def session() -> Session:
    return Session(Cluster(max_gpus=0, cpus=4), Progress(io.StringIO()))


def planned(study: Study, lookup: Lookup) -> tuple[Plan, list[Node]]:
    plan = make_plan(study, lookup)
    return plan, plan.nodes("judge")


def table(lookup: Lookup, node: Node) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(lookup.folder(node) / "verdicts.parquet").to_pylist()
    return rows


# ---------------------------------------------------------------- in the driver


def test_in_the_driver_equal_pairs_of_all_cells_are_judged_once_and_no_ray_is_started(
    tmp_path: Path, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = demo(tmp_path, "evaluate.judges=keyword")
    lookup = answered(study, by_cell)
    judge = Recorder()
    monkeypatch.setattr(stage, "make_judge", lambda _: judge)
    _, nodes = planned(study, lookup)
    judge_answers(session, lookup, nodes, study)
    assert not session.started
    assert len(nodes) > 5
    unique = 4 + len(nodes)  # the four answers that all share, and one of each
    assert (len(judge.shown), len(set(judge.shown))) == (unique, unique)
    for node in nodes:
        assert [row["harmful"] for row in table(lookup, node)] == [False, True, None, False, False, False]
        assert [row["error"] for row in table(lookup, node)] == [None, None, "no answer: engine died", None, None, None]
        assert lookup.facts(node) == {"rows": 6, "errors": 1, "prepared": {"accuracy": 0.75}}
    judge_answers(session, lookup, nodes, study)
    assert len(judge.shown) == unique


def test_a_judge_that_reads_nothing_is_refused_and_publishes_nothing(
    tmp_path: Path, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = demo(tmp_path, "evaluate.judges=keyword", "sweep.strategy=none", "evaluate.prompts=[harmful]")
    lookup = answered(study, lambda node: ["Well.", None])
    monkeypatch.setattr(stage, "make_judge", lambda _: Mute())
    _, nodes = planned(study, lookup)
    with pytest.raises(UserError) as error:
        judge_answers(session, lookup, nodes, study)
    assert str(error.value) == r"judge '' gave no verdict on any of 1 answers (unreadable, such as 'so\nso')"
    assert not any(lookup.have(node) for node in nodes)


def test_answers_that_all_failed_are_no_fault_of_the_judge(
    tmp_path: Path, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = demo(tmp_path, "evaluate.judges=keyword", "sweep.strategy=none", "evaluate.prompts=[harmful]")
    lookup = answered(study, lambda node: [None, None])
    monkeypatch.setattr(stage, "make_judge", lambda _: Mute())
    _, nodes = planned(study, lookup)
    judge_answers(session, lookup, nodes, study)
    assert [lookup.facts(node) for node in nodes] == [{"rows": 2, "errors": 2}] * len(nodes)


# ---------------------------------------------------------------- chunks


def test_chunks_are_cut_from_all_answers_whatever_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge_chunks, "CHUNK_PAIRS", 3)
    first, second = (
        Answers(Path(name) / "g", ids, name)
        for name, ids in {"a": ["p0", None, "p1", "p0"], "b": ["p1", "p2", "p3", "p4"]}.items()
    )
    whole = cut([first, second], {"p0", "p1", "p2", "p3", "p4"})
    assert [chunk.ids for chunk in whole] == [("p0", "p1", "p2"), ("p3", "p4")]
    assert whole[0].places == (("a", "g", (0, 2)), ("b", "g", (1,)))
    assert cut([first, second], {"p4"}) == whole[1:]
    assert cut([first, second], set()) == []
    assert cut([first], {"p0"})[0].name != whole[0].name


# ---------------------------------------------------------------- judge models, their engine put aside


class Spoken:
    """Stands for the pool of engines: the model says the same to everything, and can be killed after some chunks."""

    def __init__(self, says: str) -> None:
        self.says, self.chunks, self.left = says, list[str](), 99
        self.asked: list[Ask] = []

    def speak(self, asks: Sequence[Ask]) -> list[str | None]:
        self.asked += asks
        return [None if len(ask.turns[1]) > 500 else self.says for ask in asks]

    def __call__(
        self, session: Any, stage: str, actor: Any, settings: Any, arguments: Any, chunks: Sequence[Chunk], **more: Any
    ) -> Iterator[tuple[Chunk, list[Verdict]]]:
        [self.judge], self.settings = arguments, settings
        self.judge.speak = self.speak
        engine = SimpleNamespace(judge_chunk=SimpleNamespace(remote=self.judge_chunk))
        for chunk in chunks:
            if not self.left:
                raise KeyboardInterrupt
            yield chunk, more["ask"](engine, chunk)

    def judge_chunk(self, chunk: Chunk, folder: Path) -> list[Verdict]:
        self.left -= 1
        self.chunks.append(chunk.name)
        return judge_chunk(self.judge, chunk, folder)


@pytest.fixture
def modelled(tmp_path: Path) -> tuple[Study, Lookup]:
    """A study whose cells have answered, with a judge that needs a model."""
    study = with_model(tmp_path)
    return study, answered(study, lambda node: [*by_cell(node), "word " * 300])


def with_model(tmp_path: Path) -> Study:
    folder = model_folder(tmp_path / "judge", b"judge")
    return demo(
        tmp_path, "evaluate.judges=[llama_guard_3]", f"judge_models.llama_guard_3={folder}",
        "judge_models.llama_guard_3.max_model_tokens=300",
    )  # fmt: skip


def test_a_killed_judge_goes_on_with_the_chunks_that_are_left(
    modelled: tuple[Study, Lookup], tmp_path: Path, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, lookup = modelled
    monkeypatch.setattr(judge_chunks, "CHUNK_PAIRS", 4)
    engines = Spoken("unsafe\nS2")
    monkeypatch.setattr(stage, "on_engines", engines)
    _, nodes = planned(study, lookup)
    pairs = 5 + len(nodes)
    engines.left = 2
    with pytest.raises(KeyboardInterrupt):
        judge_answers(session, lookup, nodes, study)
    done = [node for node in nodes if lookup.have(node)]
    assert 0 < len(done) < len(nodes), "a set whose pairs are all known is published at once, and no other"
    engines.left = 99
    judge_answers(session, lookup, nodes, study)
    assert (len(engines.asked), len(set(engines.asked))) == (pairs, pairs)
    assert len(set(engines.chunks)) == len(engines.chunks) == -(-pairs // 4)
    assert (engines.settings.dtype, engines.settings.max_model_tokens) == ("bf16", 300)
    for node in nodes:
        rows = table(lookup, node)
        assert [row["error"] for row in rows] == [None, None, "no answer: engine died", None, None, None, TOO_LONG]
        assert [row["categories"] for row in rows[:2]] == [["S2"], ["S2"]]
        model = node.inputs["model"].identity
        assert lookup.facts(node) == {"rows": 7, "errors": 2, "too_long": 1, "model": model}
    assert not list((tmp_path / "runs" / "checkpoints").glob("judge-*"))


def test_what_is_published_is_not_judged_again(
    modelled: tuple[Study, Lookup], session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, lookup = modelled
    engines = Spoken("safe")
    monkeypatch.setattr(stage, "on_engines", engines)
    _, nodes = planned(study, lookup)
    judge_answers(session, lookup, nodes, study)
    asked = len(engines.asked)
    shutil.rmtree(lookup.folder(nodes[0]).parent)
    fresh = Lookup(lookup.store)
    judge_answers(session, fresh, nodes, study)
    assert len(engines.asked) == 2 * asked, "its own answer was wanted, and the closed chunk of that was judged whole"
    assert table(fresh, nodes[0])[0]["harmful"] is False


@pytest.mark.parametrize(
    ("says", "text", "said"),
    [
        (
            "banana",
            "So.",
            "what it said is no verdict on: harmful, such as 'banana'): give judge_models.llama_guard_3 meta",
        ),
        (
            "safe",
            "So " * 300,
            "longer than the judge's max_model_tokens): raise judge_models.llama_guard_3.max_model_tok",
        ),
    ],
)
def test_a_judge_model_that_reads_nothing_names_the_remedy_and_is_asked_again(
    tmp_path: Path, session: Session, monkeypatch: pytest.MonkeyPatch, says: str, text: str, said: str
) -> None:
    study = with_model(tmp_path)
    lookup = answered(study, lambda node: [text])
    monkeypatch.setattr(stage, "on_engines", Spoken(says))
    _, nodes = planned(study, lookup)
    for _ in range(2):
        with pytest.raises(UserError) as error:
            judge_answers(session, lookup, nodes, study)
        assert said in str(error.value)
    monkeypatch.setattr(Spoken, "speak", lambda _, asks: ["safe"] * len(asks))
    judge_answers(session, lookup, nodes, study)
    assert all(lookup.have(node) for node in nodes)


# ---------------------------------------------------------------- on workers


@pytest.mark.ray
def test_a_prepared_judge_is_prepared_once_and_goes_on_where_it_was_killed(
    ray_session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = tmp_path / "notes"
    monkeypatch.setattr(judge_chunks, "CHUNK_PAIRS", 4)
    monkeypatch.setattr(Recorder, "needs", ("encoder",))
    monkeypatch.setattr("lib.plan.judges.make_judge", lambda _: Recorder(notes))
    monkeypatch.setattr(stage, "make_judge", lambda _: Recorder(notes))
    study = demo(tmp_path, "evaluate.judges=keyword", "sweep.strategy=none")
    lookup = answered(study, by_cell)
    _, nodes = planned(study, lookup)
    pairs = 4 + len(nodes)
    taken = []

    def killed(*arguments: Any) -> Iterator[Any]:
        for chunk, found in judged(*arguments):
            taken.append(chunk)
            yield chunk, found
            raise KeyboardInterrupt

    judged = stage._judged
    monkeypatch.setattr(stage, "_judged", killed)
    with pytest.raises(KeyboardInterrupt):
        judge_answers(ray_session, lookup, nodes, study)
    assert len(taken) == 1
    monkeypatch.setattr(stage, "_judged", judged)
    judge_answers(ray_session, lookup, nodes, study)
    lines = notes.read_text().splitlines()
    assert [line for line in lines if line.startswith("prepared")] == ["prepared encoder False"] * 2
    # The actor may have been in the middle of the second chunk when its driver went.
    assert sum(int(line.split()[1]) for line in lines if line.startswith("judged")) in (pairs, pairs + 4)
    for node in nodes:
        assert lookup.facts(node) == {"rows": 6, "errors": 1, "prepared": {"accuracy": 0.75}}
        assert [row["harmful"] for row in table(lookup, node)] == [False, True, None, False, False, False]
    assert not list((tmp_path / "runs" / "checkpoints").glob("judge-*"))


@pytest.mark.ray
def test_a_model_that_cannot_express_the_form_is_one_line(
    ray_session: Session, tmp_path: Path, tiny_llama: Path
) -> None:
    model = tmp_path / "bare"
    shutil.copytree(tiny_llama, model)
    (model / "chat_template.jinja").unlink()
    study = demo(
        tmp_path, "evaluate.judges=[llama_guard_3]", "sweep.strategy=none", f"judge_models.llama_guard_3={model}"
    )
    lookup = answered(study, by_cell)
    _, nodes = planned(study, lookup)
    with pytest.raises(UserError, match=r"^the Llama Guard of judge_models has no chat template, [^\n]*$"):
        judge_answers(ray_session, lookup, nodes, study)


@pytest.mark.ray
@pytest.mark.engine
def test_a_judge_model_judges_all_cells_from_one_engine_and_a_killed_one_costs_a_chunk(
    ray_session: Session, tmp_path: Path, speaker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = demo(
        tmp_path, "evaluate.judges=[keyword, llama_guard_3]", f"judge_models.llama_guard_3.source={speaker}",
        "judge_models.llama_guard_3.dtype=fp32", "judge_models.llama_guard_3.max_model_tokens=256",
    )  # fmt: skip
    long = "word " * 300
    lookup = answered(study, lambda node: [*by_cell(node), long, *(f"{node.title} {n}" for n in range(40))])
    monkeypatch.setattr(judge_chunks, "CHUNK_PAIRS", 64)
    asked: list[int] = []

    def killing(*arguments: Any, ask: Callable[[Any, Chunk], Any], **more: Any) -> Iterator[Any]:
        def ask_and_kill(actor: Any, chunk: Chunk) -> Any:
            import ray

            reference = ask(actor, chunk)
            asked.append(chunk.number)
            if len(asked) == 3:
                ray.kill(actor)
            return reference

        return on_engines(*arguments, ask=ask_and_kill, **more)

    monkeypatch.setattr(stage, "on_engines", killing)
    _, nodes = planned(study, lookup)
    judge_answers(Session(ray_session.cluster, Progress(said := io.StringIO())), lookup, nodes, study)
    nodes = [node for node in nodes if node.task["judge"] == "llama_guard_3"]
    assert asked == [1, 2, 3, *range(3, max(asked) + 1)], "more than the chunk that was lost was judged again"
    assert said.getvalue().count("engine lost") == 1
    assert said.getvalue().count("starting 1 vLLM engine") == 1
    assert (
        f"judge llama_guard_3: {4 + len(nodes) + 1 + 40 * len(nodes)} different answers, 1 without" in said.getvalue()
    )
    assert len(nodes) > 5
    model = nodes[0].inputs["model"].identity
    for node in nodes:
        rows = table(lookup, node)
        assert {row["said"] for row in rows if row["error"] is None} == {SPOKEN}
        assert [row["error"] for row in rows[:7]] == [None, None, "no answer: engine died", None, None, None, TOO_LONG]
        assert all(row["harmful"] and row["categories"] is None for row in rows if row["error"] is None)
        assert lookup.facts(node) == {"rows": 47, "errors": 2, "too_long": 1, "model": model}
    assert not list((tmp_path / "runs" / "checkpoints").glob("judge-*"))
