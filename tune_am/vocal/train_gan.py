"""Trains the GAN whose generator is the pack's prior: a draft first, then its refinement.

Run alone: ``python -m tune_am.vocal.train_gan --work DIR [--steps N] [--draft-steps N]
[--seed N] [--device auto|cpu|cuda]``. The same command goes on from the last checkpoint. The
weights of the best checkpoint so far stand in ``DIR/draft/generator.safetensors`` and
``DIR/gan/generator.safetensors``.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from tune_am.vocal.checkpoint import load_checkpoint
from tune_am.vocal.corpus import band_statistics, load_corpus
from tune_am.vocal.gan import Gan, GanTraining, train
from tune_am.vocal.nets import Discriminator, Generator
from tune_am.vocal.refined import PlaneDiscriminator, RefinedGenerator

# The draft learns quickly, one dimension being enough for pauses, syllables and loudness; the 2-D
# networks cost twice the time a step and come in when there is something to refine.
DRAFT = GanTraining(steps=5800, batch=16)
REFINEMENT = GanTraining(steps=10700, batch=16, checkpoint_every=250)


def train_draft(work: Path, training: GanTraining = DRAFT) -> Path:
    """Trains the 1-D networks (or goes on) and returns the file with the generator's weights."""
    torch.manual_seed(training.seed)
    networks = Generator(), Discriminator()
    _standardise(work, *networks)
    return train(Gan(networks[0], networks[1:], training), work, work / "draft")


def train_gan(work: Path, training: GanTraining = REFINEMENT, draft: GanTraining = DRAFT) -> Path:
    """Trains the draft, then all networks (or goes on); the file with the generator's weights."""
    train_draft(work, draft)
    # The networks of the last step, not the best: the two were trained to be equal opponents.
    drafted = load_checkpoint(work / "draft" / "checkpoint.pt")
    assert drafted is not None
    torch.manual_seed(training.seed)
    generator, discriminator, plane = RefinedGenerator(), Discriminator(), PlaneDiscriminator()
    generator.load_state_dict(drafted["gan"]["generator"], strict=False)
    nn.ModuleList([discriminator]).load_state_dict(drafted["gan"]["discriminators"])
    _standardise(work, plane)
    return train(Gan(generator, [discriminator, plane], training), work, work / "gan")


def _standardise(work: Path, *networks: Generator | Discriminator | PlaneDiscriminator) -> None:
    mean, std = band_statistics(load_corpus(work, "train"))
    for network in networks:
        network.mean.copy_(mean)
        network.std.copy_(std)


def main(argv: list[str] | None = None) -> None:
    from tune_am.vocal.stages import stage_parser, step_count

    parser = stage_parser(__doc__, steps=REFINEMENT.steps)
    parser.add_argument(
        "--draft-steps", type=step_count, default=DRAFT.steps, help=f"[{DRAFT.steps}]"
    )
    options = parser.parse_args(argv)
    how = {"seed": options.seed, "device": options.device}
    train_gan(
        options.work,
        replace(REFINEMENT, steps=options.steps, **how),
        replace(DRAFT, steps=options.draft_steps, **how),
    )


if __name__ == "__main__":
    from tune_am.vocal.stages import run_stage

    run_stage(main)
