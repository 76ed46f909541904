"""A Ray that is started here asks for a token, shows its dashboard to this machine alone, and is told no environment."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import pytest

from lib.runtime import session as session_module
from lib.runtime.session import QUIET, Session, _lock_token
from tests.security.sources import ROOT, calls, keywords, texts


def test_no_environment_is_forwarded() -> None:
    """Variables that a runtime environment holds are named one by one: anybody who sees the dashboard can read them."""
    whole = re.compile(
        r"(dict|copy)\((os\.)?environ\)|environ\.(copy|items)\(|\*\*\s*(os\.)?environ\b|environ \||\| (os\.)?environ\b(?!\.)"
    )
    allowed = {"lib/outgoing.py"}  # it reads them to strike them out
    assert {name for name, text in texts() if whole.search(text)} == allowed
    assert not {name for name in QUIET if re.search("TOKEN$|KEY|SECRET|PASSWORD", name)}


def test_what_runtime_environments_hold_is_written_out() -> None:
    held = [given for place, called, call in calls() if (given := keywords(call).get("runtime_env"))]
    held += [given for _, _, call in calls() if (given := keywords(call).get("worker_runtime_env"))]
    assert held
    assert all("environ[" not in one and "os.environ" not in one and "getenv" not in one for one in held)


def test_a_local_ray_is_told_to_listen_on_loopback() -> None:
    source = (ROOT / "lib" / "runtime" / "session.py").read_text()
    assert '"dashboard_host": LOOPBACK' in source
    assert session_module.LOOPBACK == "127.0.0.1"
    assert not [name for name, text in texts() if "0.0.0.0" in text]


def test_the_script_of_the_local_cluster_asks_for_a_token_on_loopback() -> None:
    script = (ROOT / "cluster" / "local.sh").read_text()
    assert "export RAY_AUTH_MODE=token" in script
    assert "--dashboard-host 127.0.0.1" in script
    assert "0.0.0.0" not in script
    assert "umask 077" in script
    assert 'chmod 600 "$HOME/.ray/auth_token"' in script


def test_the_token_is_its_owners_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = tmp_path / "token"
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(token))
    _lock_token()
    token.write_text("t")
    token.chmod(0o644)
    _lock_token()
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    token.chmod(0o400)
    _lock_token()
    assert stat.S_IMODE(token.stat().st_mode) == 0o400


@pytest.mark.ray
def test_a_ray_that_is_started_here_wants_a_token_and_shows_itself_to_this_machine(ray_session: Session) -> None:
    import urllib.error
    import urllib.request

    import ray

    assert os.environ["RAY_AUTH_MODE"] == "token"
    token = Path.home() / ".ray" / "auth_token"
    if token.exists():
        assert stat.S_IMODE(token.stat().st_mode) == 0o600
    url = ray._private.worker.global_worker.node.webui_url
    assert url.startswith("127.0.0.1:")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"http://{url}/api/jobs/", timeout=10)
    assert refused.value.code == 401
