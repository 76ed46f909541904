"""The moving average of LoRA's product, the change of the weights, and not of its factors (paper B leaves it open which).

    average <- decay * average + (1 - decay) * alpha / r * B A        after every n-th step past `start_step`

It begins at zero, the start weights, since B is zero at the start. The mean of two products is not the product of the mean
factors, and an average of k products of rank r has rank k r at most: it has no form of rank r. So it ends in one of two ways:

    with `rank: n`   the nearest adapter of rank n (Eckart and Young 1936): the SVD of each average, cut after n singular
                     values, their roots on both sides; what the cut and the rounding lose is told, as the residual
    without          the averages are added to the base's own weights: no adapter is left

Any n is taken up to the size of a matrix, also one below r: the residual says what it cost. Nothing can be fed back into
training, so this is a shadow only.

Each rank keeps every world-th layer's average, a full matrix in float32, so that they are spread over the ranks; at the end
each is worked on where it lies and only what came of it is sent round. With an engine, the products are of the optimizer's
float32 weights; without one, of the model's own parameters, which in bf16 are rounded copies of those.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lib.errors import UserError
from lib.training.adapter import PREFIX
from lib.training.ema import due, refuse_idle
from lib.training.masters import gather, masters

ADAPTER = "default"


class DeltaEma:
    """The average of one cell; every rank makes one and calls the same methods."""

    def __init__(
        self,
        adapted: Any,
        settings: Mapping[str, Any],
        total: int,
        *,
        rank: int = 0,
        world: int = 1,
        engine: Any = None,
    ) -> None:
        """
        Args:
            adapted: a PEFT model with LoRA on linear layers, whole on every rank (ZeRO stage 0 to 2).
            settings: the fields of `lib.study.recipe.Ema`.
            total: optimizer steps of the cell.
            rank: this process, of `world`. The rank of the adapter is `settings["rank"]`.
            engine: the DeepSpeed engine around `adapted`, for its float32 weights (None: the parameters as they are).

        Raises:
            UserError: there would be no update within `total` steps, a matrix is smaller than the adapter's rank, or the
                weights are spread over the ranks.
        """
        import torch
        from peft.tuners.lora import LoraLayer

        refuse_idle(settings, total)
        if any(hasattr(p, "ds_id") for p in adapted.parameters()):  # DeepSpeed's mark of ZeRO 3
            raise UserError(
                "recipe.ema.space: delta needs whole weights on every worker: use train.deepspeed zero0, zero1 or zero2, "
                "or space: factors"
            )
        self.adapted, self.settings, self.engine = adapted, settings, engine
        self.rank, self.world = rank, world
        self.layers = {
            name.removeprefix(PREFIX): module
            for name, module in adapted.named_modules()
            if isinstance(module, LoraLayer)
        }
        name, smallest = min(((name, min(_shape(m))) for name, m in self.layers.items()), key=lambda pair: pair[1])
        if settings["rank"] is not None and settings["rank"] > smallest:
            raise UserError(
                f"recipe.ema.rank {settings['rank']} is more than {name} has, whose rank is at most {smallest}: "
                "lower it, or leave it out to end with merged weights"
            )
        self.average: dict[str, Any] = {
            name: torch.zeros(_shape(self.layers[name]), device=_device(self.layers[name]))
            for name in list(self.layers)[rank::world]
        }
        self._before: dict[str, Any] = {}

    def after_step(self, step: int) -> None:
        """Take the product in after `step` optimizer steps, where an update is due."""
        import torch

        if not due(self.settings, step):
            return
        decay = self.settings["decay"]
        with torch.no_grad():
            for name, down, up in self._factors():
                if name in self.average:
                    share = (1 - decay) * self.layers[name].scaling[ADAPTER]
                    self.average[name].addmm_(up, down, beta=decay, alpha=share)

    def finish(self) -> float | None:
        """Make the adapter that of the average, of rank `settings["rank"]` and scaling 1; without one, do nothing.

        Returns:
            The relative residual ||D - D_n|| / ||D|| (Frobenius, over all layers), D_n being the product of the factors as
            they are stored, in the dtype of those that were trained. None without a rank: see `merge_into`.
        """
        import torch

        n = self.settings["rank"]
        if n is None:
            return None
        lost = torch.zeros(
            2, dtype=torch.float64, device=next(iter(self.layers.values())).get_base_layer().weight.device
        )
        with torch.no_grad():
            for place, (name, layer) in enumerate(self.layers.items()):
                old_down, old_up = layer.lora_A[ADAPTER].weight, layer.lora_B[ADAPTER].weight
                down, up = old_down.new_empty(n, old_down.shape[1]), old_up.new_empty(old_up.shape[0], n)
                if name in self.average:
                    average = self.average.pop(name)
                    left, values, right = torch.linalg.svd(average, full_matrices=False)
                    root = values[:n].sqrt()
                    up.copy_(left[:, :n] * root)
                    down.copy_(root[:, None] * right[:n])
                    lost += _squares(average - up.float() @ down.float(), average)
                self._send(down, place)
                self._send(up, place)
                _replace(layer, down, up)
        config = self.adapted.peft_config[ADAPTER]
        config.r, config.lora_alpha = n, n
        if self.world > 1:
            torch.distributed.all_reduce(lost)
        return _ratio(lost)

    def merge_into(self, base: Any) -> float:
        """Add the averages to the base's own weights: summed in float32, rounded once to their dtype.

        Args:
            base: the model that was adapted, its adapter taken off (`lib.training.adapter.detach`).

        Returns:
            What bf16 loses of it, as `lib.training.adapter.rounding_error`: ||bf16(W + D) - (W + D)|| / ||D||.
        """
        import torch

        lost = torch.zeros(2, dtype=torch.float64, device=next(base.parameters()).device)
        with torch.no_grad():
            for place, name in enumerate(self.layers):
                weight = base.get_submodule(name).weight
                average = self.average.pop(name, None)
                if average is None:
                    average = torch.empty_like(weight, dtype=torch.float32)
                self._send(average, place)
                merged = weight.float() + average
                lost += _squares(merged.bfloat16().float() - merged, average)
                self._before[name] = weight.detach().cpu().clone()
                weight.copy_(merged)
        return _ratio(lost)

    def take_out(self, base: Any) -> None:
        """Undo `merge_into`, to the last bit: the next cell of a warm group starts from this base."""
        import torch

        with torch.no_grad():
            for name, weight in self._before.items():
                base.get_submodule(name).weight.copy_(weight)
        self._before.clear()

    def _factors(self) -> Iterator[tuple[str, Any, Any]]:
        """(name, A [r, in], B [out, r]) of every layer, in float32 and on every rank in the same order."""
        whole = None if self.engine is None else dict(gather(self.engine, masters(self.engine)))
        for name, layer in self.layers.items():
            if whole is None:
                yield name, layer.lora_A[ADAPTER].weight.float(), layer.lora_B[ADAPTER].weight.float()
            else:
                down, up = (whole[f"{PREFIX}{name}.{factor}.{ADAPTER}.weight"] for factor in ("lora_A", "lora_B"))
                yield name, down, up

    def whole(self) -> Iterator[tuple[str, Any]]:
        """(layer, its average) on every rank, for a checkpoint. Every rank goes through all of it."""
        import torch

        for place, (name, layer) in enumerate(self.layers.items()):
            average = self.average.get(name)
            if average is None:
                average = torch.empty(_shape(layer), device=_device(layer))
            self._send(average, place)
            yield name, average

    def fill(self, whole: Mapping[str, Any]) -> None:
        """Go on from what `whole` gave, on any number of ranks."""
        for name, average in self.average.items():
            average.copy_(whole[name])

    def _send(self, tensor: Any, place: int) -> None:
        """From the rank that keeps the layer at this place to all others."""
        import torch

        if self.world > 1:
            torch.distributed.broadcast(tensor, src=place % self.world)


def _shape(layer: Any) -> tuple[int, int]:
    """(out, in) of a PEFT layer's matrix, whatever its weight looks like where it is quantised."""
    base = layer.get_base_layer()
    return base.out_features, base.in_features


def _device(layer: Any) -> Any:
    return layer.lora_A[ADAPTER].weight.device


def _replace(layer: Any, down: Any, up: Any) -> None:
    """Give a PEFT layer other factors, [n, in] and [out, n], with scaling 1."""
    import torch

    n = down.shape[0]
    first, second = layer.lora_A[ADAPTER], layer.lora_B[ADAPTER]
    first.weight, second.weight = torch.nn.Parameter(down), torch.nn.Parameter(up)
    first.out_features = second.in_features = n
    layer.r[ADAPTER] = layer.lora_alpha[ADAPTER] = n
    layer.scaling[ADAPTER] = 1.0


def _squares(error: Any, whole: Any) -> Any:
    """The sums of squares of an error and of what it is an error of, float64 [2]."""
    import torch

    return torch.stack([error.double().square().sum(), whole.double().square().sum()])


def _ratio(squares: Any) -> float:
    error, whole = squares.tolist()
    return float((error / whole) ** 0.5) if whole > 0 else 0.0
