"""Submitting for real: a head started by cluster/local.sh, which takes jobs from those with its token alone. One job goes
through `ray job submit`, the whole study through `jobs.submit`, from a file outside the repository."""

from __future__ import annotations

import re
import urllib.error
import urllib.request

import pytest

from tests.studies import Head, Run

pytestmark = [pytest.mark.ray, pytest.mark.engine]


def test_status_says_where(head: Head) -> None:
    status = head.script("status")
    assert status.returncode == 0, status.stdout
    assert head.env["RAY_API_SERVER_ADDRESS"] in status.stdout


def test_without_a_token_nothing_is_accepted(head: Head) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(head.env["RAY_API_SERVER_ADDRESS"] + "/api/jobs/", timeout=10)
    assert refused.value.code == 401


def test_a_relative_storage_is_refused_inside_a_job(head: Head) -> None:
    job = head.submit("python", "-m", "jobs.sweep", "jobs/studies/demo.yaml")
    assert job.returncode != 0
    assert re.search(r"error: storage 'runs' is relative .*storage=/", job.stdout + job.stderr), job.stdout


def test_the_study_runs_from_the_uploaded_folder(undisturbed: Run) -> None:
    """What it made is looked at by the tests of the main job."""
    assert re.search(r"submitted tiny-[0-9a-f]{8}-1: python -m jobs.sweep submitted/0-study.yaml", undisturbed.output)
    assert re.search(r"^tiny-[0-9a-f]{8}-1 succeeded$", undisturbed.output, re.MULTILINE)
    assert "train tiny none: done" in undisturbed.output, "its log was not followed"
    assert {row["strategy"] for row in undisturbed.results().to_pylist()} == {"base", "none", "random", "sss_b"}
