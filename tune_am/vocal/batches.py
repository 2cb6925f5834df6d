"""Random training batches from the corpus: half sung, half not."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from tune_am.errors import UserError
from tune_am.vocal.corpus import Track
from tune_am.vocal.labels import NOT_SUNG, SUNG
from tune_am.vocal.melspec import BANDS, FRAMES, LOG_FLOOR


class Batches:
    """Draws excerpts whose centre frame is sung, or not, from a list of songs.

    Every draw takes first a source, by the square root of its minutes (one artist with twelve
    songs must not drown the others), then a frame of it. Half of what is not sung comes from
    the songs with singing, between their phrases: the same instruments without the voice.

    Args:
        tracks: the songs. Where none is instrumental throughout, the moments between phrases
            stand in for such music.
        width: frames of an excerpt.
        voices: singing without music; a share of the excerpts that are sung or lie between
            phrases are such voices, laid over instrumental music.
        device: where the frames are kept and the excerpts are made. All draws are the CPU's, so
            it does not change which ones.
    """

    # Share of voices over other music, of what is sung and of what lies between phrases.
    VOICES = 0.375
    # How loud a voice is beside the music under it, in nats (-4 to +9 dB of their power).
    VOICE_QUIETEST, VOICE_LOUDEST = -0.5, 1.0

    def __init__(
        self,
        tracks: Sequence[Track],
        width: int = FRAMES,
        voices: Sequence[Track] = (),
        device: torch.device | str = "cpu",
    ) -> None:
        self.width = width
        silence = torch.full((BANDS, width // 2 + 1), LOG_FLOOR, dtype=torch.float16)
        pieces = [silence]
        pools: defaultdict[str, defaultdict[str, list[Tensor]]]
        pools = defaultdict(lambda: defaultdict(list))
        offset = silence.shape[1]
        for track, voice in [(t, False) for t in tracks] + [(t, True) for t in voices]:
            if voice:
                kinds = {"voice sung": SUNG, "voice between": NOT_SUNG}
            elif track.sung:
                kinds = {"sung": SUNG, "between": NOT_SUNG}
            else:
                kinds = {"instrumental": NOT_SUNG}
            for kind, label in kinds.items():
                pools[kind][track.source].append(track.frames(label) + offset)
            log_mel = track.log_mel
            if voice:  # 0 is then how loud the voice is while it sings
                sung = log_mel[:, track.labels == SUNG].float()
                log_mel = (log_mel.float() - _level(sung[None])[0]).clamp_min(LOG_FLOOR).half()
            pieces += [log_mel, silence]
            offset += track.log_mel.shape[1] + silence.shape[1]
        self._frames = torch.cat(pieces, dim=1).to(device)
        self._pools = {
            kind: [frames for parts in sources.values() if len(frames := torch.cat(parts))]
            for kind, sources in pools.items()
        }
        if not self._pools.get("instrumental"):
            self._pools["instrumental"] = self._pools["between"]

    def draw(self, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Excerpts ``[size, BANDS, width]`` and labels ``[size]`` (1 = sung), half of each."""
        sung, between = size // 2, size // 4
        excerpts = [
            self._with_voices("sung", sung, generator),
            self._with_voices("between", between, generator),
            self.instrumental(size - sung - between, generator),
        ]
        labels = torch.zeros(size, device=self._frames.device)
        labels[:sung] = 1
        return torch.cat(excerpts), labels

    def instrumental(self, size: int, generator: torch.Generator) -> Tensor:
        """Excerpts of music without any singing, ``[size, BANDS, width]``."""
        return self._cut(self._centres("instrumental", size, generator))

    def _with_voices(self, kind: str, size: int, generator: torch.Generator) -> Tensor:
        voices = round(size * self.VOICES) if self._pools.get(f"voice {kind}") else 0
        songs = self._cut(self._centres(kind, size - voices, generator))
        if not voices:
            return songs
        voice = self._cut(self._centres(f"voice {kind}", voices, generator))
        music = self.instrumental(voices, generator)
        louder = torch.rand(voices, 1, 1, generator=generator).to(voice.device, non_blocking=True)
        louder = self.VOICE_QUIETEST + louder * (self.VOICE_LOUDEST - self.VOICE_QUIETEST)
        return torch.cat([songs, torch.logaddexp(voice + _level(music) + louder, music)])

    def _centres(self, kind: str, size: int, generator: torch.Generator) -> Tensor:
        pools = self._pools.get(kind)
        if not pools:
            raise UserError(f"the songs to learn from have no frames of the kind {kind!r}")
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
        index = index.to(self._frames.device, non_blocking=True)
        return self._frames[:, index].permute(1, 0, 2).float()


def _level(x: Tensor) -> Tensor:
    """Root mean square of log-mel excerpts ``[n, BANDS, width]`` over both, as its log."""
    return (torch.logsumexp(2 * x, dim=(1, 2), keepdim=True) - math.log(x[0].numel())) / 2


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

    def rand() -> Tensor:
        # Without waiting for the device, which may be other processes' too.
        return torch.rand(n, 1, 1, generator=generator).to(x.device, non_blocking=True)

    def uniform(bound: float) -> Tensor:
        return (rand() * 2 - 1) * bound

    level = under.mean(dim=(1, 2), keepdim=True) - x.mean(dim=(1, 2), keepdim=True)
    span = setting.mix_loudest - setting.mix_quietest
    quieter = setting.mix_quietest + rand() * span
    mixed = torch.logaddexp(x, under - level + quieter)
    x = torch.where(rand() < setting.mix, mixed, x)

    # One bilinear look-up stretches time about the centre frame and shifts the bands.
    rate = torch.exp(uniform(setting.stretch))
    time = (torch.arange(FRAMES, device=x.device) - FRAMES // 2) * rate + wide // 2
    bands_at = torch.arange(bands, device=x.device)[None, :, None]
    band = bands_at + uniform(setting.shift)
    grid = torch.stack(
        [
            (2 * time / (wide - 1) - 1).expand(n, bands, FRAMES),
            (2 * band / (bands - 1) - 1).expand(n, bands, FRAMES),
        ],
        dim=-1,
    )
    x = F.grid_sample(x[:, None], grid, padding_mode="border", align_corners=True)[:, 0]

    centre = rand() * bands
    breadth = 5 + rand() * 10
    bump = torch.exp(-(((bands_at - centre) / breadth) ** 2) / 2)
    x = x + uniform(setting.filter) * bump + uniform(setting.gain)
    return x.clamp_min(LOG_FLOOR)
