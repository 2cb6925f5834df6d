"""Trains the GAN whose generator is the pack's prior.

Run alone: ``python -m tune_am.vocal.train_gan --work DIR [--steps N] [--seed N]``. The same
command goes on from the last checkpoint; the generator stands in
``DIR/gan/generator.safetensors`` after each checkpoint.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.progress import track
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

from tune_am.vocal.batches import Batches
from tune_am.vocal.checkpoint import append_log, load_checkpoint, save_checkpoint
from tune_am.vocal.corpus import band_statistics, load_corpus
from tune_am.vocal.nets import Discriminator, Generator


@dataclass(frozen=True)
class GanTraining:
    """How the GAN is trained: hinge loss, Adam, rates that fall at the end."""

    steps: int = 4800
    batch: int = 32
    generator_lr: float = 1e-4
    discriminator_lr: float = 4e-4
    # With Adam's first beta at 0 the discriminator lost to the generator.
    betas: tuple[float, float] = (0.5, 0.9)
    # Over this last share of the steps both rates fall to zero and the generator comes to rest. Its
    # samples were nearer to real excerpts than those of an average of its weights, which blurred
    # them: Fréchet distance in the detector's fc7 9,037 against 13,234 (real against real: 218).
    cooling: float = 0.25
    checkpoint_every: int = 100
    seed: int = 0


class Gan:
    """Both networks and their optimisers, as one resumable thing."""

    def __init__(self, mean: torch.Tensor, std: torch.Tensor, training: GanTraining) -> None:
        self.training = training
        self.generator, self.discriminator = Generator(), Discriminator()
        for net in (self.generator, self.discriminator):
            net.mean.copy_(mean)
            net.std.copy_(std)
        self.generator_adam = torch.optim.Adam(
            self.generator.parameters(), lr=training.generator_lr, betas=training.betas
        )
        self.discriminator_adam = torch.optim.Adam(
            self.discriminator.parameters(), lr=training.discriminator_lr, betas=training.betas
        )

    def step(self, real: torch.Tensor, number: int) -> dict[str, float]:
        """Update ``number`` of each network, on real log-mel excerpts ``[n, bands, frames]``."""
        n = len(real)
        self._set_rates(number)
        fake = self.generator(torch.randn(n, self.generator.latent))
        real_score, fake_score = self.discriminator(torch.cat([real, fake.detach()])).split(n)
        discriminator_loss = F.relu(1 - real_score).mean() + F.relu(1 + fake_score).mean()
        self.discriminator_adam.zero_grad()
        discriminator_loss.backward()
        self.discriminator_adam.step()

        self.discriminator.requires_grad_(False)
        generator_loss = -self.discriminator(fake).mean()
        self.generator_adam.zero_grad()
        generator_loss.backward()
        self.generator_adam.step()
        self.discriminator.requires_grad_(True)
        return {
            "discriminator_loss": discriminator_loss.item(),
            "generator_loss": generator_loss.item(),
            "real_score": real_score.mean().item(),
            "fake_score": fake_score.mean().item(),
        }

    def _set_rates(self, number: int) -> None:
        training = self.training
        left = (training.steps - number + 1) / max(1, round(training.steps * training.cooling))
        for adam, rate in (
            (self.generator_adam, training.generator_lr),
            (self.discriminator_adam, training.discriminator_lr),
        ):
            for group in adam.param_groups:
                group["lr"] = rate * min(1.0, left)

    def _parts(self) -> dict[str, nn.Module | torch.optim.Optimizer]:
        return {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "generator_adam": self.generator_adam,
            "discriminator_adam": self.discriminator_adam,
        }

    def state_dict(self) -> dict:
        return {name: part.state_dict() for name, part in self._parts().items()}

    def load_state_dict(self, state: dict) -> None:
        for name, part in self._parts().items():
            part.load_state_dict(state[name])


def train_gan(work: Path, training: GanTraining = GanTraining()) -> Path:
    """Trains (or goes on) and returns the file with the generator's weights."""
    folder = work / "gan"
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(training.seed)
    tracks = load_corpus(work, "train")
    batches = Batches(tracks)
    gan = Gan(*band_statistics(tracks), training)
    draws = torch.Generator().manual_seed(training.seed)
    first, seconds = 0, 0.0
    state = load_checkpoint(folder / "checkpoint.pt")
    if state is not None:
        first, seconds = state["step"], state["seconds"]
        gan.load_state_dict(state["gan"])
        draws.set_state(state["draws"])

    started = time.monotonic() - seconds
    for step in track(range(first + 1, training.steps + 1), "GAN"):
        facts = gan.step(batches.draw(training.batch, draws)[0], step)
        if step % training.checkpoint_every and step != training.steps:
            continue
        seconds = time.monotonic() - started
        append_log(folder, {"step": step, "seconds": round(seconds), **facts})
        save_checkpoint(
            folder / "checkpoint.pt",
            {"step": step, "seconds": seconds, "gan": gan.state_dict(), "draws": draws.get_state()},
        )
        save_file(gan.generator.state_dict(), folder / "generator.safetensors")
    return folder / "generator.safetensors"


def main(argv: list[str] | None = None) -> None:
    from tune_am.vocal.stages import stage_parser

    options = stage_parser(__doc__, steps=GanTraining.steps).parse_args(argv)
    train_gan(options.work, GanTraining(steps=options.steps, seed=options.seed))


if __name__ == "__main__":
    from tune_am.vocal.stages import run_stage

    run_stage(main)
