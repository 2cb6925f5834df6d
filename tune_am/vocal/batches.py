"""Random training batches from the corpus: half sung, half not."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from tune_am.vocal.corpus import Track
from tune_am.vocal.labels import NOT_SUNG, SUNG
from tune_am.vocal.melspec import BANDS, FRAMES, LOG_FLOOR


class Batches:
    """Draws excerpts whose centre frame is sung, or not, from a list of songs.

    Every draw takes first a source, by the square root of its minutes (one artist with twelve
    songs must not drown the others), then a frame of it. Half of what is not sung comes from
    the songs with singing, between their phrases: the same instruments without the voice.

    Args:
        tracks: the songs.
        width: frames of an excerpt.
    """

    def __init__(self, tracks: list[Track], width: int = FRAMES) -> None:
        self.width = width
        silence = torch.full((BANDS, width // 2 + 1), LOG_FLOOR, dtype=torch.float16)
        pieces = [silence]
        pools: dict[str, dict[str, list[Tensor]]] = {"sung": {}, "between": {}, "instrumental": {}}
        offset = silence.shape[1]
        for track in tracks:
            kinds = {"sung": SUNG, "between": NOT_SUNG} if track.sung else {"instrumental": 0}
            for kind, label in kinds.items():
                frames = track.frames(label) + offset
                pools[kind].setdefault(track.source, []).append(frames)
            pieces += [track.log_mel, silence]
            offset += track.log_mel.shape[1] + silence.shape[1]
        self._frames = torch.cat(pieces, dim=1)
        self._pools = {
            kind: [frames for parts in sources.values() if len(frames := torch.cat(parts))]
            for kind, sources in pools.items()
        }

    def draw(self, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Excerpts ``[size, BANDS, width]`` and labels ``[size]`` (1 = sung), half of each."""
        between = size // 4
        centres = [
            self._centres("sung", size // 2, generator),
            self._centres("between", between, generator),
            self._centres("instrumental", size - size // 2 - between, generator),
        ]
        labels = torch.zeros(size)
        labels[: size // 2] = 1
        return self._cut(torch.cat(centres)), labels

    def instrumental(self, size: int, generator: torch.Generator) -> Tensor:
        """Excerpts of music without any singing, ``[size, BANDS, width]``."""
        return self._cut(self._centres("instrumental", size, generator))

    def _centres(self, kind: str, size: int, generator: torch.Generator) -> Tensor:
        pools = self._pools[kind]
        weights = torch.tensor([math.sqrt(len(pool)) for pool in pools])
        chosen = torch.multinomial(weights, size, replacement=True, generator=generator)
        return torch.stack(
            [
                pools[i][torch.randint(len(pools[i]), (), generator=generator)]
                for i in chosen.tolist()
            ]
        )

    def _cut(self, centres: Tensor) -> Tensor:
        index = centres[:, None] + torch.arange(self.width) - self.width // 2
        return self._frames[:, index].permute(1, 0, 2).float()


@dataclass(frozen=True)
class Augmentation:
    """What an excerpt may undergo without a change of its label (after Schlüter & Grill 2015).

    All are drawn per excerpt, uniformly in plus or minus the bound.
    """

    stretch: float = 0.25  # time, relative (log scale)
    shift: float = 3.0  # pitch, in bands
    gain: float = 0.7  # overall, in nats of amplitude (0.7 nats = 6 dB)
    filter: float = 1.15  # height of one Gaussian bump over the bands, in nats (10 dB)
    mix: float = 0.3  # share of excerpts with another music laid under them
    # How loud the music under an excerpt is beside it, in nats (-3 to -17 dB).
    mix_loudest: float = -0.35
    mix_quietest: float = -2.0


def augment(x: Tensor, under: Tensor, setting: Augmentation, generator: torch.Generator) -> Tensor:
    """Stretches, shifts, filters, mixes and crops excerpts.

    Args:
        x: ``[n, BANDS, wide]`` log-mel, wide enough to stay filled when time is squeezed.
        under: instrumental music of the same shape, for ``mix``.

    Returns:
        ``[n, BANDS, FRAMES]``.
    """
    n, bands, wide = x.shape

    def uniform(bound: float) -> Tensor:
        return (torch.rand(n, 1, 1, generator=generator) * 2 - 1) * bound

    level = under.mean(dim=(1, 2), keepdim=True) - x.mean(dim=(1, 2), keepdim=True)
    span = setting.mix_loudest - setting.mix_quietest
    quieter = setting.mix_quietest + torch.rand(n, 1, 1, generator=generator) * span
    mixed = torch.logaddexp(x, under - level + quieter)
    x = torch.where(torch.rand(n, 1, 1, generator=generator) < setting.mix, mixed, x)

    # One bilinear look-up stretches time about the centre frame and shifts the bands.
    rate = torch.exp(uniform(setting.stretch))
    time = (torch.arange(FRAMES) - FRAMES // 2) * rate + wide // 2
    band = torch.arange(bands)[None, :, None] + uniform(setting.shift)
    grid = torch.stack(
        [
            (2 * time / (wide - 1) - 1).expand(n, bands, FRAMES),
            (2 * band / (bands - 1) - 1).expand(n, bands, FRAMES),
        ],
        dim=-1,
    )
    x = F.grid_sample(x[:, None], grid, padding_mode="border", align_corners=True)[:, 0]

    centre = torch.rand(n, 1, 1, generator=generator) * bands
    breadth = 5 + torch.rand(n, 1, 1, generator=generator) * 10
    bump = torch.exp(-(((torch.arange(bands)[None, :, None] - centre) / breadth) ** 2) / 2)
    x = x + uniform(setting.filter) * bump + uniform(setting.gain)
    return x.clamp_min(LOG_FLOOR)
