"""The loop of quantization-aware training."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from ensharpen_edge.calibration.qat.channel_percentiles import equalised_by_percentile
from ensharpen_edge.calibration.qat.config import QatConfig
from ensharpen_edge.calibration.qat.crop_pool import CropPool
from ensharpen_edge.calibration.qat.graph_module import GraphModule
from ensharpen_edge.calibration.qat.initial_ranges import set_initial_ranges
from ensharpen_edge.calibration.qat.objective import loss_terms
from ensharpen_edge.calibration.qat.quantized_graph import QuantizedGraph
from ensharpen_edge.calibration.qat.saved_state import has_state, load_run, save_run
from ensharpen_edge.calibration.qat.validation import QatScore, outputs_of, validate_quantized
from ensharpen_edge.errors import BadInputError
from ensharpen_edge.files import sha256_of
from ensharpen_edge.training.batches import Batch
from ensharpen_edge.training.clock import Clock
from ensharpen_edge.training.config import TrainConfig
from ensharpen_edge.training.ema import WeightAverage
from ensharpen_edge.training.interruption import InterruptedRun, Interruption
from ensharpen_edge.training.log import Report, RunLog
from ensharpen_edge.training.schedule import cosine_with_warmup
from ensharpen_edge.training.state import RunState, Standing, load_weights, save_weights
from ensharpen_edge.training.trainer import Intervals, Materials

EQUALISED_CROPS = 64
"""Crops that the size of channels is taken from; it varies less between photographs than ranges do."""

_BETAS = (0.9, 0.99)
_EPSILON = 1e-12
"""Gradients of the steps' logarithms are as small as 1e-12; Adam's usual epsilon would freeze them."""


class QatTrainer:
    """One run in one folder. `run()` trains to the end of the schedule, from the saved state if there is one.

    Args:
        model: onnx.ModelProto: the float graph that ships, folded and verified.
        parent: sha256 of its checkpoint; a run is resumed for the same parent only.
        config: The run.
        crops: See `config.crops_config`.
        materials: What it learns from, and what judges it.
        folder: State, log and results.
        device: Where it trains.
        intervals: How often it reports and saves.

    Attributes:
        network: The network in training.
        degradation: What the crops go through; see `DegradationMix.to_dict`.
        standing: Where the run stands.
    """

    def __init__(
        self,
        model: Any,  # noqa: ANN401
        parent: str,
        config: QatConfig,
        crops: TrainConfig,
        materials: Materials,
        folder: Path,
        device: torch.device,
        intervals: Intervals,
    ) -> None:
        self.config, self.materials, self.folder = config, materials, folder
        self.device, self.intervals = device, intervals
        self._model, self.degradation = model, crops.known_mixes[crops.stages[0].mix].to_dict()
        self.parent_key = parent
        self.parent = GraphModule(model).to(device).eval().requires_grad_(False)
        self.pool = CropPool(crops, materials.photos, self.parent, config.batch, device)
        self.network = QuantizedGraph(model, config.places).to(device).train()
        self.average = WeightAverage(self.network, config.ema)
        self.optimizer = torch.optim.Adam(
            [
                {"params": self.network.weight_parameters(), "peak": config.learning_rate},
                {"params": self.network.step_parameters(), "peak": config.step_rate},
            ],
            lr=config.learning_rate,
            betas=_BETAS,
            eps=_EPSILON,
        )
        self.state = RunState({"network": self.network}, {"network": self.optimizer}, self.average)
        self.standing = Standing(stage_steps=(config.steps,))

    @property
    def best_file(self) -> Path:
        """Averaged weights and steps of the best validation."""
        return self.folder / "best.safetensors"

    def prepare(self) -> None:
        """Equalise the float network, and fit the steps between codes to it: where training starts from."""
        config = self.config
        first = self._inputs(EQUALISED_CROPS)
        alike = equalised_by_percentile(self._model, self.parent, first, config.percentile, config.strength)
        self.network.load_state_dict(GraphModule(alike).state_dict(), strict=False)
        set_initial_ranges(self.network, self._inputs(config.range_crops), config.seed)
        self.average.load({name: value.detach() for name, value in self.network.state_dict().items()}, 0)

    def _inputs(self, count: int) -> list[torch.Tensor]:
        """The first crops, in batches."""
        numbers = list(range(min(count, len(self.pool))))
        size = self.config.batch
        return [self.pool.crops(numbers[start : start + size]).degraded for start in range(0, len(numbers), size)]

    def resume(self) -> bool:
        """Load the saved state. False when there is none.

        Raises:
            IntegrityError: It is damaged, or of a run with other settings, photographs, or another parent.
        """
        if not has_state(self.folder):
            return False
        standing = load_run(self.folder, self.state, self._settings())
        if not self.best_file.exists() or standing.best_sha256 != sha256_of(self.best_file):
            # Without the weights of the best validation there has been none yet.
            standing = Standing(standing.step, standing.stage_steps, seconds=standing.seconds)
        self.standing = standing
        return True

    def save(self) -> None:
        """Write the state."""
        save_run(self.folder, self.state, self.standing, self._settings())

    def _settings(self) -> dict[str, Any]:
        """Return the settings that a saved state belongs to."""
        return {
            **self.config.to_dict(),
            "degradation": self.degradation,
            "materials": self.materials.key,
            "parent": self.parent_key,
        }

    def run(self, report: Report, *, tensorboard: bool = False) -> QuantizedGraph:
        """Train to the end.

        Args:
            report: Receives one dictionary per log interval and per validation.
            tensorboard: Whether to write event files as well.

        Returns:
            The averaged network of the best validation, in evaluation mode.

        Raises:
            BadInputError: The loss is not finite, or the disk is full; the last saved state is intact.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInputError(f"{self.folder}: cannot be made ({error})") from error
        if not has_state(self.folder):
            self.prepare()
            self.save()
        log = RunLog(self.folder, report, tensorboard=tensorboard)
        try:
            with Interruption() as interruption:
                self._loop(log, interruption)
        finally:
            log.close()
        return self.best_network()

    def _loop(self, log: RunLog, interruption: Interruption) -> None:
        total, clock = self.config.steps, Clock(self.standing.seconds)
        parent = outputs_of(self.parent, self.materials.validation)
        every = max(1, total // self.intervals.validations)
        next_save = time.monotonic() + self.intervals.save_minutes * 60
        pixels = self.config.batch * self.config.crop**2
        for batch in clock.waiting(self._batches()):
            terms = self.step(batch)
            clock.count(terms, pixels)
            self.standing = dataclasses.replace(self.standing, seconds=clock.total)
            step, ended = self.standing.step, self.standing.step == total
            if step % self.intervals.log_steps == 0 or ended:
                log.add({"step": step, "of": total, "stage": self.config.placement, **clock.record()})
            if step % every == 0 or ended:
                self._keep_best(log, validate_quantized(self.averaged_network(), parent, self.materials.validation))
                clock.skip()
            if time.monotonic() >= next_save or ended:
                self.save()
                next_save = time.monotonic() + self.intervals.save_minutes * 60
                clock.skip()
            if interruption.asked:
                self.save()
                raise InterruptedRun
        if self.standing.best_psnr == float("-inf"):
            self._keep_best(log, validate_quantized(self.averaged_network(), parent, self.materials.validation))
            self.save()

    def _batches(self) -> Iterator[Batch]:
        for step in range(self.standing.step, self.config.steps):
            yield self.pool.batch(step)

    def step(self, batch: Batch) -> dict[str, float]:
        """Train on one batch; returns the terms of the loss and their sum, `loss`.

        Raises:
            BadInputError: Loss or gradient is not finite; names step and photographs.
        """
        config, number = self.config, self.standing.step
        for group in self.optimizer.param_groups:
            peak = group["peak"]
            group["lr"] = cosine_with_warmup(number, config.steps, peak, config.warm_up, peak * config.floor)
        (truth,) = batch.targets.values()
        assert batch.teacher is not None
        terms = loss_terms(self.network(batch.degraded), batch.teacher, truth, config.tolerance)
        loss = torch.stack(list(terms.values())).sum()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.network.weight_parameters(), config.clip)
        if not torch.isfinite(loss) or not torch.isfinite(norm):
            raise BadInputError(
                f"the loss or its gradient is not finite at step {number} (loss {float(loss.detach()):g}, norm "
                f"{float(norm):g}); photographs of the batch: {', '.join(dict.fromkeys(batch.names))}",
                hint="start again in another --out, at a lower learning rate or without the photograph",
            )
        self.optimizer.step()
        self.average.update(self.network)
        self.standing = dataclasses.replace(self.standing, step=number + 1)
        return {"loss": float(loss.detach()), **{name: float(term.detach()) for name, term in terms.items()}}

    def averaged_network(self) -> QuantizedGraph:
        """A network with the averaged weights and steps, in evaluation mode."""
        network = QuantizedGraph(self._model, self.config.places).to(self.device)
        network.load_state_dict(self.average.average)
        return network.eval()

    def _keep_best(self, log: RunLog, score: QatScore) -> None:
        if score.after > self.standing.best_psnr:
            save_weights(self.best_file, self.average)
            self.standing = dataclasses.replace(
                self.standing,
                best_psnr=score.after,
                best_step=self.standing.step,
                best_start=score.before,
                best_cases={name: (before, after) for name, (before, _, after) in score.cases.items()},
                best_sha256=sha256_of(self.best_file),
            )
        log.add(
            {
                "step": self.standing.step,
                "of": self.config.steps,
                "val_degraded": round(score.before, 4),
                "val_psnr": round(score.after, 4),
                "val_parent": round(score.parent, 4),
                "val_agreement": round(score.agreement, 4),
                "val": {name: round(after, 4) for name, (_, _, after) in score.cases.items()},
            }
        )

    def best_network(self) -> QuantizedGraph:
        """The averaged network of the best validation, in evaluation mode."""
        network = self.averaged_network()
        if self.best_file.exists() and self.standing.best_sha256 == sha256_of(self.best_file):
            load_weights(self.best_file, network)
        return network.eval()
