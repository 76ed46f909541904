"""Secrets come from the environment by name, stand in no study, and are struck out of what is said."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lib.cli import _tell_traceback, run_job
from lib.errors import UserError
from lib.outgoing import holds_secret, redacted, redacted_tree
from lib.progress import Progress
from lib.runtime.trackers import _quiet
from lib.study.load import load_study, parse_study, read_tree
from tests.makers import DEMO
from tests.security.sources import modules

TAIL = "Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4z"
"""Authored, and no one's."""
SECRETS = [
    f"hf_{TAIL}",
    f"sk-proj-{TAIL}",
    f"ghp_{TAIL}",
    f"github_pat_{TAIL}",
    "AKIAABCDEFGHIJKLMNOP",
    "ASIAABCDEFGHIJKLMNOP",
    f"AIza{TAIL}abc",
    f"ya29.{TAIL}",
    "xoxb-123456789012-abcdef",
    f"eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.{TAIL}",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----",
]


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_struck_out_by_its_form(secret: str) -> None:
    for text in (secret, f"before {secret} after", f"token={secret}&x=1", f"['{secret}']", f"https://host/{secret}/x"):
        assert holds_secret(text)
        assert secret not in redacted(text)
        assert "***" in redacted(text)
    assert redacted(f"before {secret} after") == "before *** after"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("https://user:pw@host/v1", "https://***@host/v1"),
        ("https://user:p@ss:w@rd@host:8/v1", "https://***@host:8/v1"),
        ("postgresql+psycopg://ann:x@db/mlflow and s3://k:v@bucket/a", "postgresql+psycopg://***@db/mlflow and s3://***@bucket/a"),
        ("GET /b?X-Amz-Signature=0f0f0f0f0f&X-Amz-Date=2026", "GET /b?X-Amz-Signature=***&X-Amz-Date=2026"),
        ("aws_secret_access_key = abcd/efgh+ijkl", "aws_secret_access_key = ***"),
        ("{'Authorization': 'Bearer abcdefgh1234'}", "{'Authorization': 'Bearer ***'}"),
    ],
)  # fmt: skip
def test_what_is_called_a_secret_is_struck_out(text: str, left: str) -> None:
    assert redacted(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "hub:org/name@main", "org/name@0123456789012345678901234567890123456789", "s3://bucket/a@b/c.jsonl",
        "max_tokens=128000000",
        "train: 3 of 12 to run", "key: unresolved", "hf_token", "task-sk-ipped", "RAY_AUTH_TOKEN_PATH=/root/.ray/auth_token",
        "tokenizer=mistral-common", "https://host:8265/api/jobs", "f" * 64,
    ],
)  # fmt: skip
def test_what_is_none_is_left(text: str) -> None:
    assert redacted(text) == text


def test_the_value_of_a_variable_that_holds_a_secret_is_struck_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "plain/words+0")
    monkeypatch.setenv("OPENAI_API_KEY", "plain/words+0123")
    monkeypatch.setenv("SHORT_TOKEN", "true")
    monkeypatch.setenv("SOME_TOKEN", "/run/secrets/token")
    assert redacted("a plain/words+0123 b plain/words+0 is true, see /run/secrets/token") == (
        "a *** b *** is true, see /run/secrets/token"
    )
    assert redacted_tree({"plain/words+0": ["x", 1, None, ("plain/words+0",)]}) == {"***": ["x", 1, None, ["***"]]}


# ---------------------------------------------------------------- studies


@pytest.mark.parametrize(
    "override",
    [
        f"models.0.source=hf_{TAIL}",
        "track.mlflow=https://ann:hunter22@mlflow.example",
        "storage=s3://AKIAABCDEFGHIJKLMNOP@bucket/runs",
        f"evaluate.prompts.0.system='The key is sk-{TAIL}'",
        f"recipe.hf_{TAIL}=1",
    ],
)
def test_a_study_with_a_secret_is_refused_without_repeating_it(
    override: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = read_tree(DEMO)
    with pytest.raises(UserError, match=r"looks like a secret, and a study is recorded and shown: .*HF_TOKEN"):
        parse_study(tree, [override])

    def work(arguments: Any) -> int:
        load_study(DEMO, arguments)
        return 0

    assert run_job(work, [override]) == 2
    said = capsys.readouterr()
    assert not any(part in said.err + said.out for part in (TAIL, "hunter22", "AKIAABCDEFGHIJKLMNOP"))


def test_a_secret_in_the_file_is_refused_too(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(DEMO.read_text().replace("name: demo", f"name: demo\nexport: [hf_{TAIL}]"))
    with pytest.raises(UserError, match=r"export\.0 looks like a secret"):
        load_study(path)


# ---------------------------------------------------------------- what is said


def test_lines_errors_and_tracebacks_are_said_without_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    out = io.StringIO()
    Progress(out).say(f"asked https://ann:hunter22@host with hf_{TAIL}")
    assert out.getvalue().endswith("asked https://***@host with ***\n")

    def work(_: Any) -> int:
        raise UserError(f"s3://k:hunter22@bucket/x cannot be reached (Authorization: Bearer {TAIL})")

    assert run_job(work, []) == 2
    try:
        raise RuntimeError(f"GET https://host/x?X-Amz-Signature={TAIL}")
    except RuntimeError as error:
        _tell_traceback(type(error), error, error.__traceback__)
    said = capsys.readouterr().err
    assert TAIL not in said
    assert "hunter22" not in said
    assert "RuntimeError: GET https://host/x?X-Amz-Signature=***" in said


def test_a_job_of_its_own_process_redacts_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    monkeypatch.setattr(sys, "argv", ["job"])
    assert run_job(lambda _: 0) == 0
    assert sys.excepthook is _tell_traceback


def test_only_one_place_prints() -> None:
    """Whatever else writes to a terminal would go round what is redacted and cleaned."""
    import ast

    allowed = {"lib/outgoing.py", "lib/progress.py", "lib/cli.py", "lib/study/__main__.py", "lib/training/prepare.py"}
    for name, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in (
                "print",
                "sys.stdout.write",
                "sys.stderr.write",
            ):
                assert name in allowed, f"{name}:{node.lineno}"


# ---------------------------------------------------------------- runtime environments


def test_the_key_of_a_tracker_is_in_no_runtime_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", TAIL)
    seen: list[Any] = []

    class Ray:
        """As Ray's callback has it: the key of the driver goes into `runtime_env`, where it is."""

        def _start_logging_actor(self, trial: Any, exclude: list[str], **_: Any) -> None:
            seen.append(dict(os.environ).get("WANDB_API_KEY"))

    _quiet(Ray)()._start_logging_actor(SimpleNamespace(), [], project="p")
    assert seen == [None]
    assert os.environ["WANDB_API_KEY"] == TAIL


def test_rays_own_callback_still_starts_its_process_there() -> None:
    from ray.air.integrations.wandb import WandbLoggerCallback

    assert "_start_logging_actor" in vars(WandbLoggerCallback)
