"""A real S3 server on loopback with one bucket, `pool`, and a proxy in front of it that can be told to fail."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from lib.store import Store
from lib.store import bucket as buckets
from tests.faulty import Proxy, faulty
from tests.servers import s3_server

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIANOBODYNOBODYNOBO", "AWS_SECRET_ACCESS_KEY": "hunter22hunter22", "AWS_DEFAULT_REGION": "us-east-1",
}  # fmt: skip


@pytest.fixture(scope="module")
def s3_url() -> Iterator[str]:
    """The server, with its bucket."""
    from s3fs import S3FileSystem

    with s3_server() as url:
        key, secret = CREDENTIALS["AWS_ACCESS_KEY_ID"], CREDENTIALS["AWS_SECRET_ACCESS_KEY"]
        S3FileSystem(key=key, secret=secret, endpoint_url=url, skip_instance_cache=True).mkdir("pool")
        yield url


@pytest.fixture(scope="module")
def way(s3_url: str) -> Iterator[Proxy]:
    """The proxy, and one client of it for all tests, with short limits."""
    with pytest.MonkeyPatch.context() as patch, faulty(s3_url) as proxy:
        for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": proxy.url}.items():
            patch.setenv(name, value)
        for name, value in {"PAUSE_S": 0.01, "READ_S": 2, "REQUEST_TRIES": 1}.items():
            patch.setattr(buckets, name, value)
        with buckets.fresh_clients():
            yield proxy


@pytest.fixture
def s3(way: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Proxy:
    """The way to the server, without faults, for a machine without mirrors."""
    monkeypatch.setenv("BALLAST_CACHE", str(tmp_path / "cache"))
    way.choose = lambda method, path: None
    way.asked.clear()
    return way


@pytest.fixture
def bucket_store(s3: Proxy) -> Store:
    """A store in the bucket, under a prefix of its own."""
    return Store(f"s3://pool/{uuid.uuid4().hex[:8]}/runs")


def moved(store: Store, folder: Path) -> Store:
    """The same store as another machine sees it, whose mirrors lie in this folder."""
    os.environ["BALLAST_CACHE"] = str(folder)  # the fixture puts it back
    return Store(store.storage)
