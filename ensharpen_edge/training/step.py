"""One optimisation step."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ensharpen_edge.errors import BadInputError
from ensharpen_edge.training.batches import Batch
from ensharpen_edge.training.config import TrainConfig
from ensharpen_edge.training.losses.adversarial import discriminator, discriminator_loss, generator_loss
from ensharpen_edge.training.objective import SHARPEN, Objective
from ensharpen_edge.training.schedule import cosine_with_warmup

if TYPE_CHECKING:
    from lightning_fabric import Fabric

STATE_FILE = "state.safetensors"


class Stepper:
    """Network, objective, optimisers, and the discriminator where there is one, set up on Fabric's devices.

    Args:
        fabric: Lightning Fabric, launched.
        config: The run.
        network: Plain, on the device.
        objective: Plain, on the device.
        folder: Folder of the run, for messages.
    """

    def __init__(
        self, fabric: Fabric, config: TrainConfig, network: nn.Module, objective: Objective, folder: Path
    ) -> None:
        self.fabric, self.config, self.objective, self.folder = fabric, config, objective, folder
        trained = objective.trained_modules()
        parameters = [*network.parameters(), *(p for module in trained.values() for p in module.parameters())]
        optimizer = torch.optim.AdamW(
            parameters, lr=config.learning_rate, weight_decay=config.weight_decay, foreach=True
        )
        self.network: Any = fabric.setup_module(network)
        self.network.mark_forward_method("all_outputs")
        self.optimizer: Any = fabric.setup_optimizers(optimizer)
        self.modules: dict[str, nn.Module] = {"network": network, **trained}
        self.optimizers: dict[str, torch.optim.Optimizer] = {"network": optimizer}
        self.judge: Any = None
        self.judge_optimizer: Any = None
        if config.adversarial is not None:
            judge = discriminator(config.adversarial).to(fabric.device)
            judge_optimizer = torch.optim.Adam(
                judge.parameters(), lr=config.adversarial.learning_rate, betas=(0.5, 0.99)
            )
            self.modules["discriminator"], self.optimizers["discriminator"] = judge, judge_optimizer
            self.judge = fabric.setup_module(judge)
            self.judge_optimizer = fabric.setup_optimizers(judge_optimizer)

    def step(self, batch: Batch, number: int, total: int) -> dict[str, float]:
        """Train on one batch; returns the weighted loss terms and their sum, `loss`.

        Raises:
            BadInputError: Loss or gradient is not finite; names step, files and the last saved state, which stays.
        """
        rate = cosine_with_warmup(number, total, self.config.learning_rate, self.config.warm_up)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        with self.fabric.autocast():
            outputs = self.network.all_outputs(batch.degraded.contiguous(memory_format=torch.channels_last))
        terms: dict[str, Tensor] = self.objective(batch, outputs)
        image = outputs.images.get(SHARPEN)
        weight = self.config.adversarial.weight_at(number / total) if self.config.adversarial else 0.0
        if weight and image is not None:
            self.judge.requires_grad_(False)
            with self.fabric.autocast():
                terms["adversarial"] = weight * generator_loss(self.judge(image))
            self.judge.requires_grad_(True)
        loss = torch.stack([term.float() for term in terms.values()]).sum()
        if not torch.isfinite(loss):
            self._stop(batch, number, {name: float(term.detach()) for name, term in terms.items()})
        self.optimizer.zero_grad(set_to_none=True)
        self.fabric.backward(loss)
        self._average_adapter_gradients()
        norm = self.fabric.clip_gradients(
            self.network, self.optimizer, max_norm=self.config.clip, error_if_nonfinite=False
        )
        # With fp16, overflows are part of the search for a loss scale, whose steps are left out.
        if self.config.precision != "16-mixed" and norm is not None and not torch.isfinite(norm):
            self._stop(batch, number, {"norm": float(norm)}, "the gradient")
        self.optimizer.step()
        if weight and image is not None:
            real = batch.targets[SHARPEN][batch.known > 0]
            if len(real):
                terms["discriminator"] = self._train_judge(real, image.detach())
        return {"loss": float(loss.detach()), **{name: float(term.detach()) for name, term in terms.items()}}

    def _average_adapter_gradients(self) -> None:
        """Average the gradients of the adapter, which lives outside the distributed network."""
        if self.fabric.world_size > 1 and self.objective.adapter is not None:
            for parameter in self.objective.adapter.parameters():
                if parameter.grad is not None:
                    mean = self.fabric.all_reduce(parameter.grad, reduce_op="mean")
                    parameter.grad.copy_(torch.as_tensor(mean))

    def _train_judge(self, real: Tensor, fake: Tensor) -> Tensor:
        self.judge_optimizer.zero_grad(set_to_none=True)
        with self.fabric.autocast():
            loss = discriminator_loss(self.judge(real), self.judge(fake))
        self.fabric.backward(loss)
        self.judge_optimizer.step()
        return loss

    def _stop(self, batch: Batch, number: int, terms: dict[str, float], what: str = "the loss") -> None:
        bad = ", ".join(f"{name} {value:g}" for name, value in terms.items())
        files = ", ".join(dict.fromkeys(batch.names))
        state = self.folder / STATE_FILE
        kept = f"last good state: {state}" if state.exists() else "no state was saved yet"
        raise BadInputError(
            f"{what} is not finite at step {number} ({bad}); photographs of the batch: {files}; {kept}",
            hint="start again in another --out, at a lower learning rate or without the photograph",
        )
