"""A generator and its discriminators, trained against each other."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.progress import track
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from tune_am.am.frechet import frechet_distance
from tune_am.vocal.batches import Batches
from tune_am.vocal.checkpoint import (
    append_log,
    identity,
    load_checkpoint,
    save_checkpoint,
    weights_digest,
)
from tune_am.vocal.corpus import load_corpus, tracks_digest
from tune_am.vocal.diff_augment import diff_augment
from tune_am.vocal.judge_net import Judge, hear, judge_file, load_judge
from tune_am.vocal.nets import Generator
from tune_am.vocal.samples import draw_samples
from tune_am.whole import whole


@dataclass(frozen=True)
class GanTraining:
    """How a GAN is trained: hinge loss, Adam, rates that fall at the end."""

    steps: int
    batch: int
    generator_lr: float = 1e-4
    discriminator_lr: float = 4e-4
    # With Adam's first beta at 0 the discriminator lost to the generator.
    betas: tuple[float, float] = (0.5, 0.9)
    # Over this last share of the steps both rates fall to zero and the generator comes to rest. Its
    # samples were nearer to real excerpts than those of an average of its weights, which blurred
    # them: Fréchet distance in the detector's fc7 9,037 against 13,234 (real against real: 218).
    cooling: float = 0.25
    checkpoint_every: int = 100
    augmented: bool = False  # whether the discriminators see what `diff_augment` makes of excerpts
    # Excerpts on either side of the distance by which the best checkpoint is chosen.
    compared: int = 1000
    seed: int = 0
    device: str = "cpu"


class Gan:
    """The networks and their optimisers, as one resumable thing.

    The generator's loss is the sum of what the discriminators say; each sees the same excerpts.
    """

    def __init__(
        self, generator: Generator, discriminators: Sequence[nn.Module], training: GanTraining
    ) -> None:
        self.training = training
        self.generator = generator.to(training.device)
        self.discriminators = nn.ModuleList(discriminators).to(training.device)
        self.generator_adam = torch.optim.Adam(
            self.generator.parameters(), lr=training.generator_lr, betas=training.betas
        )
        self.discriminator_adam = torch.optim.Adam(
            self.discriminators.parameters(), lr=training.discriminator_lr, betas=training.betas
        )

    def step(self, real: Tensor, number: int) -> dict[str, Tensor]:
        """Update ``number`` of each network, on real log-mel excerpts ``[n, bands, frames]``.

        Returns losses and, by discriminator, mean scores; still on the device, which need not wait.
        """
        n = len(real)
        self._set_rates(number)
        # Drawn on the CPU, so that the device does not change which ones.
        z = torch.randn(n, self.generator.latent).to(real.device, non_blocking=True)
        fake = self.generator(z)
        both = self._seen(torch.cat([real, fake.detach()]))
        scores = [discriminator(both).split(n) for discriminator in self.discriminators]
        discriminator_loss = torch.stack(
            [F.relu(1 - on_real).mean() + F.relu(1 + on_fake).mean() for on_real, on_fake in scores]
        ).sum()
        self.discriminator_adam.zero_grad()
        discriminator_loss.backward()
        self.discriminator_adam.step()

        self.discriminators.requires_grad_(False)
        seen = self._seen(fake)
        generator_loss = -torch.stack([d(seen).mean() for d in self.discriminators]).sum()
        self.generator_adam.zero_grad()
        generator_loss.backward()
        self.generator_adam.step()
        self.discriminators.requires_grad_(True)
        return {
            "discriminator_loss": discriminator_loss.detach(),
            "generator_loss": generator_loss.detach(),
            "real_scores": torch.stack([on_real.detach().mean() for on_real, _ in scores]),
            "fake_scores": torch.stack([on_fake.detach().mean() for _, on_fake in scores]),
        }

    def _seen(self, x: Tensor) -> Tensor:
        return diff_augment(x, self.generator.mean) if self.training.augmented else x

    def _set_rates(self, number: int) -> None:
        training, left = self.training, self._left(number)
        for adam, rate in (
            (self.generator_adam, training.generator_lr),
            (self.discriminator_adam, training.discriminator_lr),
        ):
            for group in adam.param_groups:
                group["lr"] = rate * min(1.0, left)

    def _left(self, number: int) -> float:
        """Of the cooling, before update ``number``: more than 1 where it has not begun."""
        steps = self.training.steps
        return (steps - number + 1) / max(1, round(steps * self.training.cooling))

    def _parts(self) -> dict[str, nn.Module | torch.optim.Optimizer]:
        return {
            "generator": self.generator,
            "discriminators": self.discriminators,
            "generator_adam": self.generator_adam,
            "discriminator_adam": self.discriminator_adam,
        }

    def state_dict(self) -> dict:
        return {name: part.state_dict() for name, part in self._parts().items()}

    def load_state_dict(self, state: dict) -> None:
        for name, part in self._parts().items():
            part.load_state_dict(state[name])


def train(gan: Gan, work: Path, folder: Path) -> Path:
    """Trains (or goes on from the last checkpoint) and returns the file with the weights of the
    best checkpoint: that whose samples are nearest to the validation songs' excerpts, by the
    Fréchet distance in the judge's features. (Plain statistics could not tell checkpoints that
    hardly sang from those that sang as often as real excerpts.)"""
    training = gan.training
    folder.mkdir(parents=True, exist_ok=True)
    songs = load_corpus(work, "train")
    batches = Batches(songs, device=training.device)
    # A corpus without validation songs is only for trying the command out.
    valid = Batches(load_corpus(work, "valid") or load_corpus(work, "train"))
    held_out, _ = valid.draw(training.compared, torch.Generator().manual_seed(training.seed))
    judge, facts = load_judge(judge_file(work))
    judge.to(training.device)
    real = hear(judge, held_out).features
    # The networks as they begin hold what came before: the draft, and the bands' statistics.
    began = weights_digest(gan.generator, gan.discriminators)
    of = identity(training, songs=tracks_digest(songs), judge=facts["sha256"][:16], began=began)
    draws = torch.Generator().manual_seed(training.seed)
    first, seconds, best = 0, 0.0, float("inf")
    state = load_checkpoint(folder / "checkpoint.pt", of)
    if state is not None:
        first, seconds, best = state["step"], state["seconds"], state["best"]
        gan.load_state_dict(state["gan"])
        draws.set_state(state["draws"])

    started = time.monotonic() - seconds
    for step in track(range(first + 1, training.steps + 1), folder.name):
        gan.generator.train()
        scores = gan.step(batches.draw(training.batch, draws)[0], step)
        if step % training.checkpoint_every and step != training.steps:
            continue
        distance = distance_to(gan.generator.eval(), judge, real)
        if distance < best:
            best = distance
            with whole(folder / "generator.safetensors") as partial:
                save_file(gan.generator.state_dict(), partial)
        seconds = time.monotonic() - started
        told = {name: fact.tolist() for name, fact in scores.items()}
        append_log(
            folder,
            {"step": step, "seconds": round(seconds), "distance": distance, **told}
            | {"device": training.device},
        )
        save_checkpoint(
            folder / "checkpoint.pt",
            {"step": step, "seconds": seconds, "best": best}
            | {"gan": gan.state_dict(), "draws": draws.get_state()},
            of,
        )
    return folder / "generator.safetensors"


def distance_to(generator: Generator, judge: Judge, real: Tensor) -> float:
    """Between as many samples and the judge's features ``real: [n, D]``."""
    return frechet_distance(hear(judge, draw_samples(generator, len(real))).features, real)
