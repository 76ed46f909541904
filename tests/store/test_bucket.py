"""Objects on a real S3 server that is slow, fails, loses connections and refuses: whole or absent, bounded, one line."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from lib.errors import StorageError, UserError
from lib.location import check_url
from lib.store import bucket as buckets
from lib.store.bucket import Bucket
from tests.faulty import Fault, Proxy, s3_error

BIG = bytes(range(256)) * 8192
"""2 MiB: more than fits into what a socket takes ahead."""


@pytest.fixture
def bucket(s3: Proxy) -> Bucket:
    return Bucket(f"s3://pool/{uuid.uuid4().hex[:8]}/a b")


def refused(do: Callable[[], Any]) -> str:
    with pytest.raises(StorageError) as error:
        do()
    said = str(error.value)
    assert "\n" not in said
    assert "hunter22" not in said
    assert "AKIA" not in said
    return said


def test_objects_are_written_listed_read_and_removed(bucket: Bucket, tmp_path: Path) -> None:
    bucket.put("x/one", b"1")
    bucket.put("x/deep/two", b"22")
    bucket.put("xy", b"333")
    assert {name: entry.size_bytes for name, entry in bucket.list("x").items()} == {"one": 1, "deep/two": 2}
    assert set(bucket.list("")) == {"x/one", "x/deep/two", "xy"}
    assert bucket.list("nothing") == {}
    assert (bucket.read("x/one"), bucket.read("x/none")) == (b"1", None)
    assert bucket.read_all(["xy", "x/none", "x/one"]) == {"xy": b"333", "x/one": b"1"}
    assert abs(bucket.list("x")["one"].changed_s - time.time()) < 60
    assert bucket.entry("x/one") == bucket.list("x")["one"]
    assert bucket.entry("x/none") is None
    assert bucket.entry("x") is None
    assert bucket.get("x/deep/two", tmp_path / "two")
    assert (tmp_path / "two").read_bytes() == b"22"
    assert not bucket.get("x/none", tmp_path / "none")
    bucket.delete(["x/one", "x/none", "x/deep/two"])
    assert set(bucket.list("")) == {"xy"}


def test_create_writes_once(bucket: Bucket, tmp_path: Path) -> None:
    assert bucket.create("k", b"first")
    assert not bucket.create("k", b"second")
    (tmp_path / "third").write_bytes(b"third")
    assert not bucket.create("k", tmp_path / "third")
    assert bucket.read("k") == b"first"


def test_of_many_who_create_at_once_one_succeeds(bucket: Bucket) -> None:
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda n: bucket.create("k", f"{n}".encode()), range(8)))
    assert told.count(True) == 1
    assert bucket.read("k") == str(told.index(True)).encode()


@pytest.mark.parametrize("content", [b"mine", BIG])
def test_a_create_whose_answer_was_lost_knows_its_own_object(bucket: Bucket, s3: Proxy, content: bytes) -> None:
    s3.first(1, Fault(lose_answer=True), "PUT")
    assert bucket.create("k", content)
    assert s3.count("PUT") == 2
    s3.first(1, Fault(lose_answer=True), "PUT")
    assert not bucket.create("k", b"another's")
    assert bucket.read("k") == content


@pytest.mark.parametrize(
    "fault",
    [
        s3_error(500, "InternalError"), s3_error(503, "SlowDown"), s3_error(503, "ServiceUnavailable"), Fault(status=502),
        s3_error(409, "ConditionalRequestConflict"), Fault(cut_request=1000), Fault(wait_s=3),
    ],
    ids=["500", "slow-down", "503", "502", "conflict", "cut", "stalled"],
)  # fmt: skip
def test_what_passes_is_tried_again(bucket: Bucket, s3: Proxy, fault: Fault, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(BIG)
    s3.first(1 if fault.wait_s else 2, fault, "PUT")
    assert bucket.create("k", tmp_path / "big")
    assert bucket.read("k") == BIG


def test_a_look_at_what_is_there_may_be_cut_too(bucket: Bucket, s3: Proxy) -> None:
    assert bucket.create("a", b"own")
    for content, ours in ((b"own", True), (b"another", False)):
        s3.first(1, Fault(cut_request=0), "GET")
        assert bucket.create("a", content) is ours


@pytest.mark.parametrize("fault", [s3_error(500, "InternalError"), Fault(cut_answer=700_000)], ids=["500", "cut"])
def test_a_download_that_is_cut_is_made_again(bucket: Bucket, s3: Proxy, fault: Fault, tmp_path: Path) -> None:
    bucket.put("k", BIG)
    s3.first(2, fault, "GET")
    assert bucket.get("k", tmp_path / "big")
    assert (tmp_path / "big").read_bytes() == BIG
    s3.first(2, fault, "GET")
    assert bucket.read("k") == BIG


def test_a_slow_server_is_waited_for(bucket: Bucket, s3: Proxy) -> None:
    s3.always(Fault(wait_s=0.5))
    bucket.put("k", b"1")
    assert bucket.read("k") == b"1"


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (s3_error(500, "InternalError"), "the store answers with errors (InternalError): try again when it is well"),
        (s3_error(503, "SlowDown"), "the store answers with errors (SlowDown)"),
        (Fault(cut_request=0), "cannot be reached, or does not answer in time"),
        (Fault(wait_s=3), "cannot be reached, or does not answer in time (ReadTimeoutError): check network and endpoint"),
    ],
    ids=["500", "slow-down", "cut", "stalled"],
)  # fmt: skip
def test_what_does_not_pass_is_given_up(
    bucket: Bucket, s3: Proxy, monkeypatch: pytest.MonkeyPatch, fault: Fault, said: str
) -> None:
    monkeypatch.setattr(buckets, "TRIES", 2)
    s3.always(fault)
    told = refused(lambda: bucket.put("k", BIG))
    assert told.startswith(f"storage {bucket.url}")
    assert said in told
    assert 2 <= s3.count("PUT") <= 4  # a connection that was reset is tried once more by itself


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (s3_error(400, "ExpiredToken"), "the credentials have expired: renew them"),
        (s3_error(403, "InvalidAccessKeyId"), "the store does not know these credentials: check key and secret"),
        (s3_error(403, "SignatureDoesNotMatch"), "the store does not know these credentials"),
        (s3_error(403, "AccessDenied"), "access is denied: this identity needs to list, read, write and delete objects there"),
        (s3_error(403, "RequestTimeTooSkewed"), "the clock of this machine is wrong"),
        (s3_error(404, "NoSuchBucket"), "there is no such bucket: create it, or check its name and the endpoint"),
        (s3_error(400, "IllegalLocationConstraintException"), "the bucket is in another region: set AWS_DEFAULT_REGION"),
        (s3_error(400, "KeyTooLongError"), "the store refuses (KeyTooLongError)"),
    ],
    ids=lambda one: one.body.partition("<Code>")[2].partition("<")[0] if isinstance(one, Fault) else "",
)  # fmt: skip
@pytest.mark.parametrize("method", ["put", "create", "read", "list", "delete", "get", "entry"])
def test_what_is_refused_is_said_at_once_with_its_remedy(
    bucket: Bucket, s3: Proxy, tmp_path: Path, fault: Fault, said: str, method: str
) -> None:
    if method == "entry" and "Denied" not in fault.body:
        pytest.skip("an answer to HEAD has no body")
    s3.always(fault)
    calls: dict[str, Callable[[], Any]] = {
        "put": lambda: bucket.put("k", b""), "create": lambda: bucket.create("k", b""), "read": lambda: bucket.read("k"),
        "list": lambda: bucket.list("k"), "delete": lambda: bucket.delete(["k"]), "entry": lambda: bucket.entry("k"),
        "get": lambda: bucket.get("k", tmp_path / "k"),
    }  # fmt: skip
    told = refused(calls[method])
    assert told.startswith(f"storage {bucket.url}: ")
    assert said in told
    assert len(s3.asked) <= 2


def test_a_bucket_that_is_not_there(s3: Proxy) -> None:
    assert "there is no such bucket" in refused(Bucket("s3://nobody-has-this/x").check)
    assert "there is no such bucket" in refused(lambda: Bucket("s3://nobody-has-this").list("x"))


def test_no_credentials(s3: Proxy, monkeypatch: pytest.MonkeyPatch, bucket: Bucket) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with buckets.fresh_clients():
        assert "no credentials were found: set them in the environment of every machine" in refused(bucket.check)


def test_a_server_that_is_not_there(s3: Proxy, monkeypatch: pytest.MonkeyPatch, bucket: Bucket) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(buckets, "TRIES", 2)
    with buckets.fresh_clients():
        assert "cannot be reached, or does not answer in time (EndpointConnectionError)" in refused(bucket.check)


def test_the_check_leaves_nothing(bucket: Bucket) -> None:
    bucket.check()
    assert bucket.list("") == {}


def test_a_server_that_knows_no_conditional_writes_is_refused(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Bucket._write
    monkeypatch.setattr(Bucket, "_write", lambda self, name, content, mode: write(self, name, content, "overwrite"))
    with pytest.raises(UserError, match=r"ignores If-None-Match.*or a shared folder"):
        bucket.check()
    assert bucket.list("") == {}


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, bucket: Bucket) -> None:
    monkeypatch.setitem(__import__("sys").modules, "s3fs", None)
    with buckets.fresh_clients(), pytest.raises(UserError, match=r"s3:// needs the package s3fs: pip install s3fs"):
        bucket.read("k")


@pytest.mark.parametrize("url", ["s3://bucket", "s3://bucket/a/b-c_d.e", "gs://my.bucket/x"])
def test_urls(url: str) -> None:
    assert check_url(url) == check_url(f"{url}/") == url


@pytest.mark.parametrize(
    "url",
    [
        "s3://key:secret@bucket/x", "s3://key@bucket", "s3://", "s3:///x", "s3://B/x", "s3://bucket/../x", "s3://bucket//x",
        "s3://bucket/x?version=1", "s3://bucket/x#y", "s3://bucket/a\nb", "s3://bucket/a\\b", "http://bucket/x", "file:///x",
    ],
)  # fmt: skip
def test_what_is_no_url_of_a_bucket(url: str) -> None:
    with pytest.raises(ValueError, match="storage") as error:
        check_url(url)
    assert "secret" not in str(error.value)
