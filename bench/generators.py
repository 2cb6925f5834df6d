"""Which generator, and how to train it? The same corpus, judge and time for each.

    python bench/generators.py --work DIR [--seconds 1200] [--only NAME ...] [--device auto]
    python bench/generators.py --work DIR --measure

Trains each variant for as long as the others, on the corpus in DIR (`tune_am.vocal.corpus`); those
that were trained before are not trained again. Of each the checkpoint is kept that is nearest to
the validation songs in the judge's features. The second line prints the table, on a CPU, by the
measures of `tune_am.vocal.fidelity`: what they are is said there.

    G-ops     operations of one sample with its gradient, in units of the published generator's
    FD        Fréchet distance to training excerpts in the judge's features, in units of that of
              real excerpts from songs that no generator had
    sung      heard as singing by the judge
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from tune_am.choices import DEVICES
from tune_am.packs.device import chosen_device
from tune_am.vocal.batches import Batches
from tune_am.vocal.checkpoint import STORED
from tune_am.vocal.corpus import band_statistics, load_corpus
from tune_am.vocal.fidelity import fidelity
from tune_am.vocal.gan import Gan, GanTraining, distance_to
from tune_am.vocal.judge_net import hear, judge_file, load_judge
from tune_am.vocal.nets import Discriminator, Generator
from tune_am.vocal.refined import PlaneDiscriminator, RefinedGenerator

LOOKS = 20  # checkpoints of each training
DRAFT_SHARE = 0.35  # of the time, where a 1-D draft is trained first


class PublishedGenerator(Generator):
    """That of Mishra et al. (2019): dense, four transposed 5x5 convolutions of stride 2, again."""

    def __init__(self, channels: tuple[int, ...] = (128, 64, 32, 16, 8)) -> None:
        super().__init__()
        del self.convs, self.norms, self.out
        self.rows, self.columns = 5, 8
        self.dense = nn.Linear(self.latent, channels[0] * self.rows * self.columns)
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(inner, outer, 5, stride=2, padding=2, output_padding=1)
            for inner, outer in pairwise(channels)
        )
        self.plane = nn.Conv2d(channels[-1], 1, 5, padding=2)

    def forward(self, z: Tensor) -> Tensor:
        x = F.leaky_relu(self.dense(z), 0.2).view(len(z), -1, self.rows, self.columns)
        for up in self.ups:
            x = F.leaky_relu(up(x), 0.2)
        return self._log_mel(self._crop(self.plane(x)[:, 0]))


@dataclass(frozen=True)
class Variant:
    generator: Callable[[], Generator]
    augmented: bool = False
    draft: bool = False
    channels: tuple[int, ...] = (32, 64, 128, 256)  # of the 2-D discriminator


def _wide() -> Generator:
    return RefinedGenerator(side=8, width=16)


VARIANTS = {
    "published 2-D": Variant(PublishedGenerator),
    "1-D": Variant(Generator),
    "1-D, then 2-D on top": Variant(RefinedGenerator, draft=True),
    "1-D with 2-D on top": Variant(RefinedGenerator),
    "the same, augmented": Variant(RefinedGenerator, augmented=True),
    "augmented and wider": Variant(_wide, augmented=True, channels=(64, 128, 256, 512)),
}


class TimedGan(Gan):
    """Rates fall by the share of the time that is spent, not of the steps."""

    def __init__(
        self,
        generator: Generator,
        discriminators: Sequence[nn.Module],
        training: GanTraining,
        seconds: float,
    ) -> None:
        super().__init__(generator, discriminators, training)
        self.seconds, self.begun = seconds, time.monotonic()

    @property
    def spent(self) -> float:
        return (time.monotonic() - self.begun) / self.seconds

    def _left(self, number: int) -> float:
        return max(0.0, 1 - self.spent) / self.training.cooling


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder with the corpus")
    parser.add_argument("--seconds", type=float, default=1200, help="of each training [1200]")
    parser.add_argument("--batch", type=int, default=32, help="[32]")
    parser.add_argument("--seed", type=int, default=0, help="[0]")
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--device", choices=DEVICES, default="auto", help="[auto]")
    parser.add_argument("--measure", action="store_true", help="print the table")
    arguments = parser.parse_args()
    torch.backends.cudnn.benchmark = True
    folder = arguments.work / "generators"
    folder.mkdir(exist_ok=True)
    for name in arguments.only:
        if not arguments.measure and not file_of(folder, name).exists():
            training = GanTraining(
                steps=0,
                batch=arguments.batch,
                seed=arguments.seed,
                device=chosen_device(arguments.device),
            )
            train(name, arguments.work, folder, training, arguments.seconds)
    if arguments.measure:
        table(arguments.work, folder, arguments.only)


def file_of(folder: Path, name: str) -> Path:
    return folder / (name.replace(",", "").replace(" ", "-") + ".safetensors")


def train(name: str, work: Path, folder: Path, training: GanTraining, seconds: float) -> None:
    variant = VARIANTS[name]
    training = replace(training, augmented=variant.augmented)
    tracks = load_corpus(work, "train")
    batches = Batches(tracks, device=training.device)
    held_out, _ = Batches(load_corpus(work, "valid")).draw(
        training.compared, torch.Generator().manual_seed(training.seed)
    )
    judge = load_judge(judge_file(work))[0].to(training.device)
    real = hear(judge, held_out).features
    torch.manual_seed(training.seed)
    draws = torch.Generator().manual_seed(training.seed)
    final, line, plane = variant.generator(), Discriminator(), PlaneDiscriminator(variant.channels)
    phases: list[tuple[float, Generator, list[nn.Module]]] = [(seconds, final, [line, plane])]
    if variant.draft:
        draft = DRAFT_SHARE * seconds
        phases = [(draft, Generator(), [line]), (seconds - draft, final, [line, plane])]
    for network in {phases[0][1], final, line, plane}:
        for buffer, value in zip(("mean", "std"), band_statistics(tracks), strict=True):
            network.get_buffer(buffer).copy_(value)
    log = file_of(folder, name).with_suffix(".jsonl").open("a")
    step, best, kept = 0, float("inf"), {}
    for length, generator, opponents in phases:
        if generator is not phases[0][1]:
            generator.load_state_dict(phases[0][1].state_dict(), strict=False)
            best = float("inf")
        gan = TimedGan(generator, opponents, training, seconds=length)
        looked = 0
        while gan.spent < 1:
            generator.train()
            facts = gan.step(batches.draw(training.batch, draws)[0], 0)
            step += 1
            if gan.spent * LOOKS < looked + 1:
                continue
            looked = int(gan.spent * LOOKS)
            distance = distance_to(generator.eval(), judge, real)
            if distance < best:
                best = distance
                kept = {
                    key: (t.to(STORED) if t.is_floating_point() else t).cpu().contiguous()
                    for key, t in generator.state_dict().items()
                }
            told = {key: value.tolist() for key, value in facts.items()}
            log.write(json.dumps({"step": step, "distance": distance, **told}) + "\n")
            log.flush()
    facts = {"name": name, "steps": step, "seconds": seconds, "distance": best}
    facts |= {"batch": training.batch, "device": training.device}
    save_file(kept, file_of(folder, name), metadata={"facts": json.dumps(facts)})
    print(f"{name}: {step} steps, distance {best:.2f}", flush=True)


def operations(generator: nn.Module) -> int:
    """Of one sample and the gradient with respect to its latent."""
    z = torch.randn(1, generator.latent, requires_grad=True)
    with FlopCounterMode(display=False) as counter:
        generator.eval().requires_grad_(False)(z).sum().backward()
    return counter.get_total_flops()


def table(work: Path, folder: Path, names: list[str]) -> None:
    from safetensors import safe_open

    unit = operations(PublishedGenerator())
    print(
        f"{'':24}{'steps':>8}{'G-ops':>7}{'FD':>7}{'precision':>11}{'recall':>8}{'coverage':>10}"
        f"{'sung':>6}{'modulation, dB':>16}{'copies':>8}"
    )
    for name in names:
        file = file_of(folder, name)
        if not file.exists():
            continue
        with safe_open(file, "pt") as tensors:
            facts = json.loads(tensors.metadata()["facts"])
        generator = VARIANTS[name].generator()
        generator.load_state_dict(load_file(file))
        measures = fidelity(work, generator)
        row = measures["generated"]
        print(
            f"{name:24}{facts['steps']:8d}{operations(generator) / unit:7.2f}"
            f"{measures['ratio']['judge_fd']:7.2f}{row['precision']:11.2f}{row['recall']:8.2f}"
            f"{row['coverage']:10.2f}{row['heard_as_singing']:6.0%}"
            f"{row['modulation_over_time_rms_db']:16.1f}"
            f"{measures['nearest']['feature_copies']:8.1%}",
            flush=True,
        )


if __name__ == "__main__":
    main()
