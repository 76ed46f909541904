from importlib.util import find_spec
from typing import Any

import pytest
import torch

from lib.errors import UserError
from lib.study.recipe import Recipe
from lib.training.optimizer import check_bitsandbytes, make_optimizer, quantization_config

CUDA = torch.cuda.is_available()
INSTALLED = find_spec("bitsandbytes") is not None


def recipe(**given: Any) -> Recipe:
    return Recipe.model_validate({"steps": 1, **given})


def fields(**given: Any) -> dict[str, Any]:
    return recipe(**given).model_dump(mode="json")


def test_a_step_of_adamw_by_hand() -> None:
    """Decay first, theta (1 - lr wd) = 2 (1 - 0.1 x 0.5) = 1.9; the first step is lr long: 1.9 - 0.1 = 1.8."""
    theta = torch.nn.Parameter(torch.tensor([2.0], dtype=torch.float64))
    optimizer = make_optimizer([theta], fields(lr=0.1, weight_decay=0.5), "cpu")
    theta.grad = torch.tensor([3.0], dtype=torch.float64)
    optimizer.step()
    assert theta.item() == pytest.approx(1.8, abs=1e-8)


def test_moments_of_8_bits_are_refused_on_a_cpu() -> None:
    with pytest.raises(UserError, match=r"recipe.optim: adamw_bnb_8bit needs CUDA and this worker has none"):
        make_optimizer([torch.nn.Parameter(torch.zeros(1))], fields(optim="adamw_bnb_8bit"), "cpu")


@pytest.mark.skipif(INSTALLED, reason="bitsandbytes is installed here")
def test_a_missing_package_is_named_with_its_install_line() -> None:
    with pytest.raises(UserError, match=r"needs a package that is missing here: pip install bitsandbytes=="):
        make_optimizer([torch.nn.Parameter(torch.zeros(1))], fields(optim="adamw_bnb_8bit"), torch.device("cuda", 0))


def test_a_base_as_it_is_needs_no_quantisation() -> None:
    assert quantization_config(fields()) is None


@pytest.mark.skipif(CUDA, reason="this machine has CUDA")
@pytest.mark.parametrize("quantize", ["4bit", "8bit"])
def test_a_quantised_base_is_refused_without_cuda(quantize: str) -> None:
    with pytest.raises(UserError, match=f"recipe.quantize: {quantize} needs CUDA and this worker has none"):
        quantization_config(fields(quantize=quantize))


@pytest.mark.gpu
@pytest.mark.skipif(not (CUDA and INSTALLED), reason="needs CUDA and bitsandbytes")
def test_8_bit_moments_step_like_adamw() -> None:
    torch.manual_seed(0)
    start, gradient = torch.randn(8192, device="cuda"), torch.randn(8192, device="cuda")
    ends = []
    for optim in ("adamw", "adamw_bnb_8bit"):
        theta = torch.nn.Parameter(start.clone())
        optimizer = make_optimizer([theta], fields(optim=optim, lr=0.01), "cuda")
        for _ in range(3):
            theta.grad = gradient.clone()
            optimizer.step()
        ends.append(theta.detach() - start)
    assert float((ends[0] - ends[1]).norm() / ends[0].norm()) < 0.05


def checked(gpus: int | str = 1, stage: int = 2, offloads: dict[str, str] | None = None, **given: Any) -> None:
    check_bitsandbytes(recipe(**given), gpus=gpus, stage=stage, offloads=offloads or {})


@pytest.mark.parametrize(("field", "value"), [("optim", "adamw_bnb_8bit"), ("quantize", "4bit"), ("quantize", "8bit")])
def test_a_study_without_gpus_is_refused_when_it_is_planned(field: str, value: str) -> None:
    with pytest.raises(UserError, match=f"recipe.{field}: {value} needs CUDA and cluster.max_gpus is 0: use {field}: "):
        checked(gpus=0, **{field: value})
    for gpus in (1, "auto"):
        checked(gpus=gpus, **{field: value})
    checked(gpus=0)


def test_integers_are_not_sharded() -> None:
    with pytest.raises(UserError, match=r"ZeRO-3 shards none: use train.deepspeed: zero2, or quantize: 4bit"):
        checked(stage=3, quantize="8bit")
    checked(stage=3, quantize="4bit")
    checked(stage=2, quantize="8bit")


def test_8_bit_moments_do_not_leave_the_gpu() -> None:
    with pytest.raises(UserError, match="keeps the optimizer on nvme: use optim: adamw, or a preset without offload"):
        checked(stage=3, optim="adamw_bnb_8bit", offloads={"optimizer": "nvme", "param": "nvme"})
    checked(stage=3, optim="adamw_bnb_8bit", offloads={"param": "cpu"})
