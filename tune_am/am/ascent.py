"""Gradient ascent from many starts at once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from tune_am.am.layout import laid_out
from tune_am.am.settings import Settings
from tune_am.am.transform import Transform, total_variation
from tune_am.am.update_rules import update_rule
from tune_am.choices import SIGNS, expect_one_of
from tune_am.errors import UserError
from tune_am.packs.device import default_chunk
from tune_am.packs.neuron import Neuron, Tap
from tune_am.packs.prior import Prior
from tune_am.packs.recurrent import differentiable, is_recurrent

# RMS of a latent beyond which its start counts as diverged: a thousand standard deviations of the
# starts is no place where a prior still means anything.
EXPLODED_RMS = 1e3

# The tensors of an ascent that are its state, the update rule's apart.
_STATE = (
    "latents",
    "kept_latents",
    "kept_activations",
    "start_activations",
    "diverged",
    "_last_good",
    "_pulled",
)


class Ascent:
    """Maximises sign * a(x) - l2 * |z|^2 - tv * TV(x), x = prior(z), over a batch of latents
    `z: [n, *latent_shape]`.

    a is the neuron's activation, sign is -1 when `direction` is "min". Step t evaluates z_t, keeps
    it where it is the start's best activation so far, then updates: after ``advance(T)`` the kept
    examples are the best of z_0 ... z_{T-1}. Under jitter, gain or blur the gradient is that of the
    changed input, the activation kept is that of the clean one.

    A start is frozen and marked `diverged` when its activation or gradient is not finite or its
    latent explodes (`EXPLODED_RMS`); its latent stays the last good one, its kept example stays
    valid. The networks, already on `device`, are put in evaluation mode and their weights frozen.

    latents, kept_latents: [n, *latent_shape]. kept_activations, start_activations: [n]; before the
    first step the former are -sign * inf and the latter NaN. sample_steps: evaluations done.
    """

    def __init__(
        self,
        prior: Prior,
        classifier: nn.Module,
        neuron: Neuron,
        settings: Settings,
        starts: int,
        seed: int,
        direction: str = "max",
        chunk: int | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        expect_one_of("direction", direction, SIGNS)
        if starts < 1:
            raise UserError(f"starts={starts} is not allowed: an ascent needs at least one start")
        device = torch.device(device)
        self.neuron, self.direction = neuron, direction
        self._sign = SIGNS[direction]
        self._settings = settings
        self._prior = _frozen(prior)
        classifier = _frozen(classifier)
        self._chunk = default_chunk(device, starts) if chunk is None else chunk
        jitter, gain, blur = settings.jitter, settings.gain, settings.blur
        self._transform = Transform(jitter, gain, blur, prior.positions)
        # All draws are the CPU's, and are for all starts at once: neither the device nor the chunk
        # changes them.
        self._random = torch.Generator().manual_seed(seed)
        scale, truncation = settings.init_scale, settings.truncation
        drawn = prior.sample(starts, self._random, scale, truncation).to(device)
        self.latents = within(drawn, settings.radius)
        if device.type == "cpu":
            with torch.no_grad():
                # Two, also of one start: a single input suits layouts that no batch does.
                two = torch.cat([self.latents[:1]] * 2)
                classifier = laid_out(classifier, prior(two))
                self._prior = laid_out(self._prior, two)
        self._tap = Tap(classifier, [neuron.layer])
        self._recurrent = is_recurrent(prior) or is_recurrent(classifier)
        self._rule = update_rule(settings, self.latents)
        self._identity = [starts, seed, direction, str(neuron), settings.to_dict()]

        self.step = 0
        self.sample_steps = 0
        self.kept_latents = self.latents.clone()
        self.kept_activations = torch.full_like(
            self.latents.flatten(1)[:, 0], -self._sign * torch.inf
        )
        self.start_activations = torch.full_like(self.kept_activations, torch.nan)
        self.diverged = torch.zeros(starts, dtype=torch.bool, device=device)
        self._last_good = self.latents.clone()
        self._pulled = torch.zeros(starts, dtype=torch.bool, device=device)

    @property
    def dead(self) -> Tensor:
        """[n] bool: starts whose activation's gradient was exactly zero at every step so far."""
        return ~self._pulled & ~self.diverged & (self.step > 0)

    def steepness(self) -> Tensor:
        """RMS [n] of the activation's gradient at each latent, NaN where that is not finite.

        Random draws of the settings' are used up: of an ascent that is to be asked this only.
        """
        with differentiable(self._recurrent):
            _, gradient, _ = self._evaluate()
        return _rms(gradient)

    def advance(self, steps: int) -> None:
        """Take `steps` more steps."""
        for _ in range(steps):
            with differentiable(self._recurrent):
                activation, gradient, roughness = self._evaluate()
            self._judge(activation, gradient)
            self._update(gradient, roughness)
            self.step += 1

    @torch.enable_grad()
    def _evaluate(self) -> tuple[Tensor, Tensor, Tensor]:
        """Clean activations [n] and their gradients [n, *latent_shape], NaN for frozen starts, and
        the gradients of the total variation, 0 for those and where it has no weight."""
        if torch.is_inference_mode_enabled():
            raise UserError(
                "an ascent needs gradients, which torch.inference_mode() forbids: call it outside"
            )
        shift, gain = self._transform.draw(len(self.latents), self._random)
        shift, gain = shift.to(self.latents.device), gain.to(self.latents)
        activation = torch.full_like(self.kept_activations, torch.nan)
        gradient = torch.full_like(self.latents, torch.nan)
        roughness = torch.zeros_like(self.latents)
        smooth = self._settings.tv > 0
        active = torch.nonzero(~self.diverged).flatten()
        for rows in _even_chunks(active, self._chunk):
            z = self.latents[rows].requires_grad_()
            x = self._prior(z)
            if self._transform.is_identity:
                pulled = self._activation(x)
                activation[rows] = pulled.detach()
            else:
                pulled = self._activation(self._transform(x, shift[rows], gain[rows]))
                with torch.no_grad():
                    activation[rows] = self._activation(x)
            (gradient[rows],) = torch.autograd.grad(pulled.sum(), z, retain_graph=smooth)
            if smooth:
                variation = total_variation(x, self._transform.positions.near)
                (roughness[rows],) = torch.autograd.grad(variation.sum(), z)
        self.sample_steps += len(active)
        return activation, gradient, roughness

    def _activation(self, x: Tensor) -> Tensor:
        return self.neuron.read(self._tap(x)[self.neuron.layer])

    def _judge(self, activation: Tensor, gradient: Tensor) -> None:
        """Freeze the starts that went wrong, keep the examples that are new bests."""
        good = torch.isfinite(activation) & torch.isfinite(gradient).flatten(1).all(1)
        self.diverged |= ~good
        self.latents.copy_(_where(good, self.latents, self._last_good))
        self._last_good.copy_(self.latents)
        if self.step == 0:
            self.start_activations.copy_(activation)
        self._pulled |= good & (gradient != 0).flatten(1).any(1)
        better = good & (self._sign * activation > self._sign * self.kept_activations)
        self.kept_activations = torch.where(better, activation, self.kept_activations)
        self.kept_latents = _where(better, self.latents, self.kept_latents)

    def _update(self, gradient: Tensor, roughness: Tensor) -> None:
        """One step of the rule, which descends; starts that explode are taken back."""
        if self._settings.normalize_grad:
            gradient = _normalized(gradient)
        penalty = 2 * self._settings.l2 * self.latents + self._settings.tv * roughness
        descent = penalty - self._sign * gradient
        descent = _where(~self.diverged, descent, torch.zeros_like(descent))
        self._rule.step(self.latents, descent, learning_rate(self._settings, self.step))
        self.latents.copy_(within(self.latents, self._settings.radius))
        # A NaN fails the comparison as an explosion does.
        self.diverged |= ~(_rms(self.latents) <= EXPLODED_RMS)
        self.latents.copy_(_where(self.diverged, self._last_good, self.latents))

    def state_dict(self) -> dict[str, Any]:
        """All that `load_state_dict` needs to go on bit for bit; tensors and plain values only."""
        tensors = {name: getattr(self, name).clone() for name in _STATE}
        return {
            "identity": self._identity,
            "step": self.step,
            "sample_steps": self.sample_steps,
            "random": self._random.get_state(),
            "rule": {name: tensor.clone() for name, tensor in self._rule.state.items()},
            **tensors,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state`, of an ascent with the same starts, seed, neuron and settings."""
        if state["identity"] != self._identity:
            raise ValueError(f"the state is of {state['identity']}, not of {self._identity}")
        for name in _STATE:
            getattr(self, name).copy_(state[name])
        self.step, self.sample_steps = state["step"], state["sample_steps"]
        self._random.set_state(state["random"])
        for name, tensor in self._rule.state.items():
            tensor.copy_(state["rule"][name])


def _even_chunks(rows: Tensor, most: int) -> tuple[Tensor, ...]:
    """`rows` in as few chunks of at most `most` as will do, of like size: no costly rest of one."""
    chunks = -(-len(rows) // most)
    return rows.tensor_split(chunks) if chunks else ()


def learning_rate(settings: Settings, step: int) -> float:
    """Step size at `step` (from 0). No schedule knows the horizon: a prefix is a whole run."""
    return settings.lr / (1 + step) ** 0.5 if settings.schedule == "inverse_sqrt" else settings.lr


def _frozen(network: nn.Module) -> nn.Module:
    return network.eval().requires_grad_(False)


def _rms(z: Tensor) -> Tensor:
    """Root mean square [n] of each latent; in float64, where squares keep their range."""
    return z.detach().double().flatten(1).square().mean(1).sqrt()


def within(z: Tensor, radius: float) -> Tensor:
    """`z: [n, *latent_shape]` drawn back to `radius` times the typical length, where beyond it.

    Random latents N(0, I) of d numbers nearly all have a length near sqrt(d); a generator was never
    asked what lies far outside. 0: no limit.
    """
    if radius == 0:
        return z
    factor = (radius / _rms(z)).clamp(max=1.0)
    return (z.double() * factor.view(-1, *[1] * (z.dim() - 1))).to(z.dtype)


def _normalized(gradient: Tensor) -> Tensor:
    """Each start's gradient divided by its RMS; a zero gradient stays zero.

    Only the activation's gradient is divided, not the penalties': with their sum at a constant
    length no ascent would ever settle.
    """
    rms = _rms(gradient)
    factor = torch.where(rms > 0, 1 / rms, torch.zeros_like(rms))
    return (gradient.double() * factor.view(-1, *[1] * (gradient.dim() - 1))).to(gradient.dtype)


def _where(mask: Tensor, yes: Tensor, no: Tensor) -> Tensor:
    """`torch.where` by start: `mask: [n]`, the others [n, *latent_shape]."""
    return torch.where(mask.view(-1, *[1] * (yes.dim() - 1)), yes, no)
