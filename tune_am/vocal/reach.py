"""The reach of the prior: how much of real excerpts that it never saw it can draw.

    python -m tune_am.vocal.reach --work DIR [--generator FILE] [--excerpts N] [--seed N]
                                  [--out FILE.json] [--picture FILE.png]

Each held-out excerpt is inverted: the latent is sought whose log-mel is nearest to it. What cannot
be drawn then, no explanation through this prior can show.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tune_am.am.layout import laid_out
from tune_am.errors import UserError
from tune_am.packs.manifest import sha256_of
from tune_am.vocal import samples
from tune_am.vocal.checkpoint import load_trained
from tune_am.vocal.corpus import Track, band_statistics, load_corpus
from tune_am.vocal.inversion import Inversion, invert, nearest
from tune_am.vocal.labels import NOT_SUNG, SUNG
from tune_am.vocal.nets import BATCH, Detector, Generator
from tune_am.vocal.refined import load_generator
from tune_am.whole import whole

DB_PER_NAT = 8.685889638065037  # 20 / ln 10: a log-mel is the natural log of magnitudes
EXCERPTS, FEWEST = 100, 4  # by default; two sung and two not, a correlation needs two
SAMPLES = 1000  # random samples: the nearest of them is a yardstick, and a start
# Samples of the generator's own, inverted as the excerpts are (as many, at most so many): what the
# descent misses of these is its own failure, what it misses of the excerpts beyond is the prior's.
OWN = 16
# What is drawn for an excerpt: its inversion, and two yardsticks.
DRAWN = ("reconstruction", "nearest_sample", "band_means")


@dataclass(frozen=True)
class HeldOut:
    """Excerpts ``x: [n, BANDS, FRAMES]``, and of each whether its centre frame is sung (``sung:
    [n]`` bool) and whether its licence lets it be shown (``showable: [n]`` bool)."""

    x: Tensor
    sung: Tensor
    showable: Tensor


def draw_held_out(tracks: list[Track], n: int) -> HeldOut:
    """``n`` excerpts, the same at every call: half are sung; of the others half lie between the
    phrases of the same songs, half are of music without singing. Songs take turns, so that each
    counts alike.

    Raises:
        UserError: there are no songs of one of these kinds.
    """
    draws = torch.Generator().manual_seed(0)
    between = (n - n // 2) // 2
    x, labels, showable = [], [], []
    for size, label, with_singing in (
        (n // 2, SUNG, True),
        (between, NOT_SUNG, True),
        (n - n // 2 - between, NOT_SUNG, False),
    ):
        songs = [song for song in tracks if song.sung == with_singing and len(song.frames(label))]
        if not songs:
            kind = "with" if with_singing else "without"
            raise UserError(f"the corpus has no test songs {kind} singing: add some to its sources")
        order = torch.randperm(len(songs), generator=draws).tolist()
        for turn in range(size):
            song = songs[order[turn % len(songs)]]
            frames = song.frames(label)
            x.append(song.excerpts(frames[torch.randint(len(frames), (1,), generator=draws)]))
            labels.append(label == SUNG)
            showable.append(song.showable)
    return HeldOut(torch.cat(x), torch.tensor(labels), torch.tensor(showable))


def measures(x: Tensor, drawn: Tensor, before: Tensor, after: Tensor) -> dict[str, float | None]:
    """Of excerpts ``x: [n, BANDS, FRAMES]`` and what was drawn for them, of the same shape.

    Args:
        before, after: the detector's logits ``[n]`` of the one and of the other.

    Returns:
        ``error_db``: mean absolute. ``class_kept``: share of excerpts whose logits lie on the same
        side of 0. ``logit_correlation``: Pearson's; None where all logits are equal.
        ``heard_as_singing``: share of what was drawn.
    """
    varies = before.min() < before.max() and after.min() < after.max()
    correlation = torch.corrcoef(torch.stack([before, after]).double())[0, 1]
    return {
        "error_db": float((drawn - x).abs().mean()) * DB_PER_NAT,
        "class_kept": float(((before > 0) == (after > 0)).float().mean()),
        "logit_correlation": float(correlation) if varies else None,
        "heard_as_singing": float((after > 0).float().mean()),
    }


def norms(z: Tensor, random: Tensor) -> dict[str, Any]:
    """|z| of inversions ``z: [n, latent]`` beside the shell, the 2.5 to 97.5 % quantiles of |z| of
    the latents ``random: [m, latent]``: median, range, share below, in and above the shell."""
    length, levels = z.norm(dim=1), torch.tensor([0.025, 0.975])
    low, high = random.norm(dim=1).quantile(levels).tolist()
    return {
        "shell": [low, high],
        "median": float(length.quantile(0.5)),
        "range": [float(length.min()), float(length.max())],
        "below": float((length < low).float().mean()),
        "inside": float(((low <= length) & (length <= high)).float().mean()),
        "above": float((length > high).float().mean()),
    }


def reach(
    work: Path,
    generator: Generator,
    held_out: HeldOut,
    inversion: Inversion = Inversion(),
    seed: int = 0,
) -> tuple[dict[str, Any], Tensor]:
    """Inverts the excerpts, from the prior's centre, a random latent and the nearest sample.

    Returns:
        ``measures`` of each of ``DRAWN``, for ``all``, ``sung`` and ``not_sung`` excerpts, and of
        the reconstruction of ``OWN`` samples, with the ``norms`` of the inversions and the
        detector's digest; and the reconstructions ``[n, BANDS, FRAMES]``.
    """
    weights = work / "detector" / "detector.safetensors"
    detector = laid_out(load_trained(Detector(), weights))
    means, _ = band_statistics(load_corpus(work, "train"))
    x, sung = held_out.x, held_out.sung
    draws = torch.Generator().manual_seed(seed)
    random = torch.randn(SAMPLES, generator.latent, generator=draws)
    random_samples = _through(generator, random)

    def inverted(x: Tensor) -> tuple[Tensor, Tensor]:
        near = nearest(x, random_samples)
        elsewhere = torch.randn(len(x), generator.latent, generator=draws)
        starts = torch.stack([torch.zeros_like(elsewhere), elsewhere, random[near]])
        return invert(generator, x, starts, inversion), random_samples[near]

    z, near = inverted(x)
    drawn = (_through(generator, z), near, means[:, None].expand_as(x))
    own = _through(
        generator, torch.randn(min(OWN, len(x)), generator.latent, generator=draws)
    ).clone()
    own_drawn = _through(generator, inverted(own)[0])
    before = _through(detector, x)
    groups = {"all": torch.ones_like(sung), "sung": sung, "not_sung": ~sung}
    found: dict[str, Any] = {
        "detector": sha256_of(weights),
        "excerpts": {group: int(rows.sum()) for group, rows in groups.items()},
        "heard_as_singing": {
            group: float((before[rows] > 0).float().mean()) for group, rows in groups.items()
        },
        "latent_norm": {group: norms(z[rows], random) for group, rows in groups.items()},
        "own_samples": measures(
            own, own_drawn, _through(detector, own), _through(detector, own_drawn)
        ),
    }
    for name, excerpts in zip(DRAWN, drawn, strict=True):
        after = _through(detector, excerpts)
        found[name] = {
            group: measures(x[rows], excerpts[rows], before[rows], after[rows])
            for group, rows in groups.items()
        }
    return found, drawn[0]


@torch.inference_mode()
def _through(network: nn.Module, x: Tensor) -> Tensor:
    return torch.cat([network(part) for part in x.split(BATCH)])


def pairs(held_out: HeldOut, drawn: Tensor) -> dict[str, Tensor]:
    """Rows for ``samples.picture``: showable excerpts, each above its reconstruction."""
    rows: dict[str, Tensor] = {}
    for kind, chosen in (("sung", held_out.sung), ("not sung", ~held_out.sung)):
        shown = torch.nonzero(chosen & held_out.showable).flatten()[: samples.COLUMNS]
        if len(shown):
            rows |= {f"real, {kind}": held_out.x[shown], f"inverted, {kind}": drawn[shown]}
    return rows


def table(found: dict[str, Any]) -> str:
    """What ``reach`` found, as text."""
    lines = [f"{'':24}error dB  class kept  logit correlation  heard as singing"]
    for group, n in found["excerpts"].items():
        lines.append(f"{f'{group}: {n} real':63}{found['heard_as_singing'][group]:18.0%}")
        lines += [_line(name, found[name][group]) for name in DRAWN]
        norm = found["latent_norm"][group]
        lines.append(
            f"  |z| median {norm['median']:.1f}, {norm['range'][0]:.1f} to {norm['range'][1]:.1f}; "
            f"95 % of random latents {norm['shell'][0]:.1f} to {norm['shell'][1]:.1f}: "
            f"{norm['below']:.0%} below, {norm['inside']:.0%} inside, {norm['above']:.0%} above"
        )
    lines += ["the generator's own samples", _line("reconstruction", found["own_samples"])]
    return "\n".join(lines)


def _line(name: str, row: dict[str, float | None]) -> str:
    correlation = row["logit_correlation"]
    return (
        f"  {name:22}{row['error_db']:8.2f}{row['class_kept']:12.0%}"
        f"{'-' if correlation is None else f'{correlation:.2f}':>19}{row['heard_as_singing']:18.0%}"
    )


def main(argv: list[str] | None = None) -> None:
    from tune_am.vocal.stages import stage_parser, step_count

    parser = stage_parser(__doc__)
    parser.add_argument("--steps", type=step_count, default=Inversion.steps, help="[%(default)s]")
    parser.add_argument("--seed", type=int, default=0, help="[0]")
    parser.add_argument("--generator", type=Path, help="weights [WORK/gan/generator.safetensors]")
    parser.add_argument("--excerpts", default=str(EXCERPTS), help=f"how many [{EXCERPTS}]")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="for all measures")
    parser.add_argument("--picture", type=Path, metavar="FILE.png", help="real above inverted")
    options = parser.parse_args(argv)
    if not options.excerpts.isdecimal() or int(options.excerpts) < FEWEST:
        raise UserError(f"--excerpts {options.excerpts}: give a whole number from {FEWEST}")
    for option, file in (("--out", options.out), ("--picture", options.picture)):
        if file is not None and not file.parent.is_dir():
            raise UserError(f"no such folder for {option}: {file.parent}")
    weights = options.generator or options.work / "gan" / "generator.safetensors"
    generator = load_generator(weights).requires_grad_(False)
    inversion = Inversion(race=min(Inversion.race, options.steps), steps=options.steps)
    held_out = draw_held_out(load_corpus(options.work, "test"), int(options.excerpts))
    if options.picture is not None and not held_out.showable.any():
        raise UserError("no licence lets these excerpts be shown: leave out --picture")
    found, drawn = reach(options.work, generator, held_out, inversion, options.seed)
    facts = {"generator": sha256_of(weights), "seed": options.seed, **asdict(inversion), **found}
    print(table(found))
    if options.out is not None:
        _write(
            options.out, lambda file: file.write_text(json.dumps(facts, indent=1), encoding="utf-8")
        )
    if options.picture is not None:
        _write(options.picture, lambda file: samples.picture(file, pairs(held_out, drawn)))


def _write(file: Path, fill: Callable[[Path], object]) -> None:
    try:
        with whole(file) as partial:
            fill(partial)
    except OSError as error:
        raise UserError(f"cannot write {file}: {error.strerror}") from None


if __name__ == "__main__":
    from tune_am.vocal.stages import run_stage

    run_stage(main)
