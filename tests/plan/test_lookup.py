from pathlib import Path

import pytest

from lib.errors import UserError
from lib.plan import Lookup, Node
from lib.store import Store


@pytest.fixture
def lookup(tmp_path: Path) -> Lookup:
    return Lookup(Store(tmp_path / "runs"))


def publish(lookup: Lookup, node: Node) -> None:
    with lookup.store.attempt(node.stage, str(node.key), {}) as attempt:
        attempt.facts = {"rows": 3}


def test_a_node_that_has_run(lookup: Lookup) -> None:
    node = Node(stage="ingest", title="x", identity={"a": 1})
    assert (lookup.have(node), lookup.facts(node), lookup.artifact(node)) == (False, None, None)
    publish(lookup, node)
    assert (lookup.have(node), lookup.facts(node)) == (True, {"rows": 3})
    assert lookup.folder(node).parent.name == node.key


def test_a_node_without_a_key_is_never_there(lookup: Lookup) -> None:
    node = Node(stage="train", title="x", identity=None)
    assert (lookup.have(node), lookup.facts(node)) == (False, None)


def test_a_folder_that_serves_as_it_is_needs_no_artifact(lookup: Lookup, tmp_path: Path) -> None:
    node = Node(stage="model", title="x", identity={"a": 1}, path=tmp_path)
    assert lookup.have(node)
    assert lookup.folder(node) == tmp_path
    assert not lookup.store.root.exists()


def test_the_folder_of_what_is_not_there_is_an_error_with_the_fix(lookup: Lookup) -> None:
    with pytest.raises(UserError, match="run the same command again"):
        lookup.folder(Node(stage="ingest", title="x", identity={"a": 1}))


def test_looking_twice_reads_once(lookup: Lookup, monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node(stage="ingest", title="x", identity={"a": 1})
    publish(lookup, node)
    assert lookup.have(node)
    monkeypatch.setattr(lookup.store, "find", None)
    assert lookup.have(node)
