"""What travels with a job: the code and the study's own files, from wherever they lie, and no data."""

from pathlib import Path

import pytest

from lib.errors import UserError
from lib.runtime import package as module
from lib.runtime.package import ROOT, make_package
from lib.study import load_study
from tests.makers import DEMO


def repository(root: Path) -> Path:
    """A small repository with all that must stay at home."""
    for name in (
        "lib/__init__.py", "lib/corpus/builtin/rows.jsonl", "jobs/sweep.py", "jobs/studies/demo.yaml", "lib/__pycache__/a.pyc",
        "lib/.secret", "jobs/.env", ".git/config", ".venv/bin/python", "runs/artifacts/x", "data/rows.jsonl", "tests/test_x.py",
    ):  # fmt: skip
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x")
    (root / "jobs/studies/demo.yaml").write_text(DEMO.read_text())
    return root


CODE = {"lib/__init__.py", "lib/corpus/builtin/rows.jsonl", "jobs/sweep.py", "jobs/studies/demo.yaml"}


def test_only_the_code_travels(tmp_path: Path) -> None:
    root = repository(tmp_path)
    path = root / "jobs" / "studies" / "demo.yaml"
    made = make_package(path, ["recipe.lr=1e-4"], load_study(path), root)
    assert set(made.files) == CODE
    assert (made.study, made.overrides) == ("jobs/studies/demo.yaml", ("recipe.lr=1e-4",))
    made.write(tmp_path / "out")
    found = {file.relative_to(tmp_path / "out").as_posix() for file in (tmp_path / "out").rglob("*") if file.is_file()}
    assert found == CODE
    assert made.size_bytes == sum((tmp_path / "out" / name).stat().st_size for name in CODE)


def test_study_files_from_elsewhere_travel_under_names_of_their_own(tmp_path: Path) -> None:
    root = repository(tmp_path / "repository")
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "study.yaml").write_text(DEMO.read_text() if name == "a" else "recipe: {lr: 1e-4}\n")
    path, overlay = tmp_path / "a" / "study.yaml", str(tmp_path / "b" / "study.yaml")
    made = make_package(path, [overlay, "name=x"], load_study(path, [overlay]), root)
    assert made.study == "submitted/0-study.yaml"
    assert made.overrides == ("submitted/1-study.yaml", "name=x")
    assert made.files["submitted/0-study.yaml"] == path
    assert made.files["submitted/1-study.yaml"] == Path(overlay)


def test_settings_in_files_of_their_own_travel_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = repository(tmp_path)
    monkeypatch.chdir(root)
    (root / "mine.json").write_text("{}")
    (root / "kinds.yaml").write_text("levels: []")
    study = load_study(DEMO, ["train.deepspeed=mine.json", "categories.taxonomy=kinds.yaml"])
    assert set(make_package(root / "jobs/studies/demo.yaml", [], study, root).files) == CODE | {
        "mine.json",
        "kinds.yaml",
    }


@pytest.mark.parametrize(
    ("override", "what"),
    [
        ("corpus.0.source=data/rows.jsonl", "corpus source 'data/rows.jsonl'"),
        ("benign.source=../rows.jsonl", "benign source '../rows.jsonl'"),
        ("evaluate.prompts.0.source=prompts.csv", "prompts harmful 'prompts.csv'"),
        ("models.0.source=./model", "model smollm2-135m './model'"),
        ("encoder.model=../encoder", "model encoder '../encoder'"),
        ("judge_models={wildguard: ./guard}", "model of judge wildguard './guard'"),
        ("evaluate.lm_eval=[{task: gsm8k, data: {test: gsm8k.jsonl}}]", "lm_eval gsm8k 'gsm8k.jsonl'"),
        ("sweep.corpus.sources.0.source=[builtin:safety, more.jsonl]", "corpus source 'more.jsonl'"),
    ],
)  # fmt: skip
def test_data_by_a_relative_path_are_refused_before_anything_is_sent(tmp_path: Path, override: str, what: str) -> None:
    root = repository(tmp_path)
    with pytest.raises(UserError) as error:
        make_package(root / "jobs/studies/demo.yaml", [], load_study(DEMO, [override]), root)
    assert str(error.value).startswith(f"{what} is relative and does not travel with the job: give an absolute path")


@pytest.mark.parametrize(
    "override",
    [
        "corpus.0.source=/shared/rows.jsonl", "corpus.0.source=s3://bucket/rows.jsonl", "corpus.0.source=hub:org/rows@main",
        "models.0.source=org/model@main", "models.0.source=/shared/model", "corpus.0.source=lib/corpus/builtin/rows.jsonl",
        "corpus.0.source=lib/corpus/builtin",
    ],
)  # fmt: skip
def test_what_every_node_can_read_or_is_in_the_code_is_not(tmp_path: Path, override: str) -> None:
    root = repository(tmp_path)
    made = make_package(root / "jobs/studies/demo.yaml", [], load_study(DEMO, [override]), root)
    assert set(made.files) == CODE


def test_the_largest_files_are_named_when_it_is_too_big(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = repository(tmp_path)
    monkeypatch.setattr(module, "LIMIT_BYTES", 3 << 20)
    for name, size in (
        ("pool.jsonl", 2 << 20),
        ("more.jsonl", 3 << 19),
        ("small.jsonl", 1 << 18),
        ("tiny.jsonl", 1 << 10),
    ):
        (root / "jobs" / name).write_bytes(b"x" * size)
    with pytest.raises(UserError) as error:
        make_package(root / "jobs/studies/demo.yaml", [], load_study(DEMO), root)
    assert str(error.value) == (
        "the package has 3.8 MiB, over 3.0 MiB; its largest files are jobs/pool.jsonl (2.0 MiB), jobs/more.jsonl (1.5 MiB), "
        "jobs/small.jsonl (0.2 MiB): keep data outside lib and jobs and name it by an absolute path"
    )


def test_this_repository_is_a_small_package() -> None:
    made = make_package(DEMO, [], load_study(DEMO))
    assert made.size_bytes < 8 << 20
    assert {name.partition("/")[0] for name in made.files} == {"lib", "jobs"}
    assert {"jobs/sweep.py", "jobs/studies/demo.yaml", "lib/cli.py"} <= set(made.files)
    assert (ROOT / "README.md").is_file()
