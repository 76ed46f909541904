"""Safetensors alone, and no code from a model's folder: nothing that is read is a program."""

from __future__ import annotations

import ast
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lib.embedding.encoder import Encoder
from lib.errors import UserError
from lib.models.prompt import load_tokenizer
from lib.models.source import ModelSource, materialise, resolve_model
from lib.training.adapter import merge_to_folder
from tests.security.sources import calls, keywords, modules

UNPICKLING = {
    "pickle",
    "cPickle",
    "_pickle",
    "dill",
    "cloudpickle",
    "joblib",
    "shelve",
    "marshal",
    "pandas.read_pickle",
}


def test_no_module_can_unpickle() -> None:
    """What Ray and torch.distributed send between processes of one run is theirs, and read by nothing here."""
    for name, tree in modules():
        for node in ast.walk(tree):
            names = []
            if isinstance(node, ast.Import):
                names = [one.name for one in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert not UNPICKLING & {one.partition(".")[0] for one in names}, f"{name}:{node.lineno}"


def test_nothing_that_can_hold_a_pickle_is_read() -> None:
    for place, called, call in calls():
        last = called.rpartition(".")[2]
        assert called not in ("torch.load", "pd.read_pickle", "pandas.read_pickle", "torch.jit.load"), place
        assert last not in ("read_index", "unpickle", "load_checkpoint", "load_state_dict_from_url"), place
        assert "allow_pickle" not in keywords(call), place
        assert called != "Tuner.restore", place
        assert last != "restore" or "tune" not in called, place


def test_every_model_is_loaded_without_its_code_and_from_safetensors() -> None:
    seen = []
    for place, called, call in calls():
        given = keywords(call)
        if called.endswith(".from_pretrained") and not called.startswith("PeftModel"):
            assert given.get("trust_remote_code") == "False", place
            if "Tokenizer" not in called and "gguf_file" not in given:
                assert given.get("use_safetensors") == "True", place
            seen.append(called)
        elif called == "SentenceTransformer" and "modules" not in given:
            assert given["trust_remote_code"] == "False", place
            assert "'use_safetensors': True" in given["model_kwargs"], place
            seen.append(called)
        elif called == "LLM":
            assert (given["trust_remote_code"], given["load_format"]) == ("False", "'safetensors'"), place
            seen.append(called)
        assert given.get("trust_remote_code", "False") == "False", place
    assert {"LLM", "SentenceTransformer", "AutoTokenizer.from_pretrained"} <= set(seen)


class Trap:
    """A pickle that says so when it is read."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("sprung"),))


def folder_with(path: Path, **files: bytes) -> Path:
    path.mkdir(parents=True)
    (path / "config.json").write_text("{}")
    for name, content in files.items():
        where = path / name.replace("__", "/")
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_bytes(content)
    return path


@pytest.mark.parametrize(
    "files",
    [
        {"pytorch_model.bin": b""},
        {"pytorch_model-00001-of-00002.bin": b"", "other__model.safetensors": b""},
        {"model.safetensors": b"", "2_Dense__pytorch_model.bin": b""},
        {"model.safetensors": b"", "adapter__adapter_model.bin": b""},
    ],
)
def test_a_folder_from_which_a_pickle_would_be_read_is_refused(tmp_path: Path, files: dict[str, bytes]) -> None:
    with pytest.raises(UserError, match="holds pickled weights: save it as safetensors first"):
        resolve_model(str(folder_with(tmp_path / "model", **files)))


def test_a_pickle_beside_safetensors_that_nobody_reads_is_left_alone(tmp_path: Path) -> None:
    files = {"model.safetensors": b"", "pytorch_model.bin": b"", "openvino__openvino_model.bin": b""}
    assert resolve_model(str(folder_with(tmp_path / "model", **files))).kind == "folder"


def test_numpy_does_not_unpickle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`np.load` is called without `allow_pickle`, which is off then."""
    monkeypatch.chdir(tmp_path)
    np.save(tmp_path / "a.npy", np.array([Trap()], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="allow_pickle"):
        np.load(tmp_path / "a.npy")
    assert not Path("sprung").exists()


def test_an_adapter_without_safetensors_is_not_looked_for_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    adapter = folder_with(tmp_path / "adapter", **{"adapter_model.bin": pickle.dumps(Trap())})
    with pytest.raises(UserError, match=r"holds no adapter_model\.safetensors"):
        merge_to_folder(tmp_path, adapter, tmp_path / "out", "fp32")
    assert not Path("sprung").exists()


CODE = {"auto_map": {"AutoConfig": "code.Config", "AutoModelForCausalLM": "code.Model"}}
SPRINGS = "from pathlib import Path\nPath('sprung').touch()\n"


def test_a_model_that_needs_its_own_code_is_refused_before_it_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = folder_with(tmp_path / "model", **{"model.safetensors": b"", "code.py": SPRINGS.encode()})
    (folder / "config.json").write_text(json.dumps({"model_type": "ours", **CODE}))
    with pytest.raises(UserError, match=r"needs Python code of its own .* which is never run here"):
        resolve_model(str(folder))
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", **CODE}))
    assert resolve_model(str(folder)).kind == "folder", "known without its code"
    assert not Path("sprung").exists()


def test_so_is_one_that_was_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(_: str, __: str, folder: Path, ___: object) -> dict[str, int]:
        (folder / "config.json").write_text(json.dumps({"model_type": "ours", **CODE}))
        return {}

    monkeypatch.setattr("lib.models.source.download", download)
    with pytest.raises(UserError, match="needs Python code of its own"):
        materialise(ModelSource("org/m@x", "hub", {"hub": "org/m@" + "0" * 40}), tmp_path)


def test_a_tokenizer_with_code_is_not_run_and_nobody_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("transformers asked whether to run it"))
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"auto_map": {"AutoTokenizer": ["code.Tok", None]}}))
    (tmp_path / "code.py").write_text(SPRINGS)
    with pytest.raises(ValueError, match="trust_remote_code"):
        load_tokenizer(tmp_path)
    assert not Path("sprung").exists()


def test_an_encoder_with_a_module_of_its_own_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "modules.json").write_text(json.dumps([{"idx": 0, "name": "0", "path": "", "type": "code.Module"}]))
    (tmp_path / "code.py").write_text(SPRINGS)
    with pytest.raises(UserError, match="cannot be loaded as a sentence encoder"):
        Encoder(str(tmp_path), device="cpu")
    assert not Path("sprung").exists()
