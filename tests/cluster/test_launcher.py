"""The launcher files: by the schema and the checks of the installed Ray, and held against the KubeRay manifests."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.cluster.files import KUBERAY, LAUNCHERS, documents, pinned, unmarked

every = pytest.mark.parametrize("path", LAUNCHERS, ids=lambda path: path.stem)
GPUS = {"h100": 8, "a100-80": 8, "l4": 4}


def read(path: Path) -> dict[str, Any]:
    [config] = documents(path)
    return config


def schema() -> dict[str, Any]:
    import ray.autoscaler

    found: dict[str, Any] = json.loads((Path(ray.autoscaler.__file__).parent / "ray-schema.json").read_text())
    return found


def test_both_clouds_are_there() -> None:
    assert [read(path)["provider"]["type"] for path in LAUNCHERS] == ["aws", "gcp"]


@every
def test_it_follows_rays_schema(path: Path) -> None:
    jsonschema.validate(read(path), schema())


@every
def test_ray_takes_it_as_it_is(path: Path) -> None:
    """Defaults filled in and checked as `ray up` does before it asks the cloud for anything."""
    from ray.autoscaler._private.util import prepare_config, validate_config

    found = prepare_config(read(path))
    validate_config(found)
    installs = [
        command for command in (*found["setup_commands"], *found["head_setup_commands"]) if "install" in command
    ]
    assert all("-c /opt/ballast/constraints-cpu.txt" in command for command in installs), "Ray's defaults came in"


@pytest.mark.parametrize("key", ["idle_timeout_minute", "worker_nodes"])
def test_the_schema_sees_a_misspelt_key(key: str) -> None:
    with pytest.raises(jsonschema.ValidationError, match=key):
        jsonschema.validate({**read(LAUNCHERS[0]), key: 5}, schema())


@every
def test_every_place_to_fill_in_is_marked(path: Path) -> None:
    assert not unmarked(path)


@every
def test_the_head_works_for_nobody_and_drivers_are_on_demand(path: Path) -> None:
    types = read(path)["available_node_types"]
    assert types["head"]["resources"] == {"CPU": 0, "GPU": 0}
    assert types["drivers"]["resources"]["ballast_driver"] == 1
    for name, one in types.items():
        config = json.dumps(one["node_config"])
        assert ("spot" in config.lower()) == (name in GPUS), name
        assert "ballast_driver" not in one["resources"] or name == "drivers"


@every
def test_gpus_scale_from_zero_within_bounds(path: Path) -> None:
    config = read(path)
    types = config["available_node_types"]
    for name, gpus in GPUS.items():
        assert (types[name]["min_workers"], types[name]["resources"]["GPU"]) == (0, gpus)
        assert types[name]["max_workers"] <= 2, "a first run must not surprise anybody"
    assert types["drivers"]["min_workers"] == 0
    assert config["max_workers"] <= sum(one.get("max_workers", 0) for one in types.values())
    assert config["idle_timeout_minutes"] >= 15, "pulling the GPU image takes a while"


@every
def test_it_has_the_shape_of_the_manifests(path: Path) -> None:
    spec = documents(KUBERAY / "raycluster.yaml")[0]["spec"]
    types = read(path)["available_node_types"]
    groups = {group["groupName"]: group for group in spec["workerGroupSpecs"]}
    assert set(types) - {"head"} == set(groups)
    for name, group in groups.items():
        assert types[name]["max_workers"] == group["maxReplicas"]
        assert types[name].get("priority", 0) == group.get("priority", 0)
        limits = group["template"]["spec"]["containers"][0]["resources"]["limits"]
        assert types[name]["resources"]["CPU"] == int(limits["cpu"])
        assert types[name]["resources"]["GPU"] == int(limits.get("nvidia.com/gpu", 0))
    assert read(path)["idle_timeout_minutes"] * 60 == spec["autoscalerOptions"]["idleTimeoutSeconds"]


@every
def test_images_are_of_the_installed_ray(path: Path) -> None:
    config = read(path)
    tag = pinned("ray")
    assert config["docker"]["image"] == f"YOUR-REGISTRY/ballast-cpu:{tag}"
    for name in GPUS:
        assert config["available_node_types"][name]["docker"]["worker_image"] == f"YOUR-REGISTRY/ballast-gpu:{tag}"


@every
def test_the_dashboard_is_on_loopback_and_every_node_asks_for_the_token(path: Path) -> None:
    from ray.scripts.scripts import start

    config = read(path)
    for role in ("head", "worker"):
        command = config[f"{role}_start_ray_commands"][-1]
        words = shlex.split(command.split(";", 1)[1])
        assert words[0] == "RAY_AUTH_MODE=token"
        arguments = words[words.index("start") + 1 :]
        given = start.make_context("ray start", arguments).params
        assert given["head"] == (role == "head")
        if role == "head":
            assert given["dashboard_host"] == "127.0.0.1"
            assert (given["num_cpus"], given["num_gpus"]) == (0, 0)


@every
def test_there_is_no_secret(path: Path) -> None:
    config = read(path)
    assert config["file_mounts"] == {"~/.ray/auth_token": "~/.ray/auth_token"}, (
        "by file, from where Ray itself keeps it"
    )
    text = "\n".join(line.split("#")[0] for line in path.read_text().splitlines())
    assert not re.search(r"(?i)(secret|password|access_key|RAY_AUTH_TOKEN|HF_TOKEN|ssh_private_key)", text)
