"""The excerpts of songs that are nearest to given ones, at every shift in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_BLOCK = 2048  # frames correlated at once by FFT
_BLOCKS_AT_ONCE = 16


@dataclass(frozen=True)
class Nearest:
    """For each of n excerpts and each song: how near the nearest moment is, and where.

    distance: ``[n, songs]``, the RMS difference in nats after taking away each one's mean level,
    so that a copy at another volume is one too. start: ``[n, songs]``, its first frame.
    """

    distance: Tensor
    start: Tensor

    def best(self, songs: Sequence[int] | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Distance, song and first frame ``[n]`` of the nearest of all (or of the given) songs."""
        chosen = torch.tensor(list(range(self.distance.shape[1])) if songs is None else songs)
        distance, place = self.distance[:, chosen].min(dim=1)
        song = chosen[place]
        return distance, song, self.start.gather(1, song[:, None])[:, 0]

    def ratio(self) -> Tensor:
        """Distance ``[n]`` to the nearest song over that to the second nearest.

        A copy is far nearer to its model than to anything else, so its ratio is small; a blurred
        excerpt, which is rather near to everything, has one close to 1. All 1 for a single song.
        """
        two = self.distance.topk(min(2, self.distance.shape[1]), dim=1, largest=False).values
        return two[:, 0] / two[:, -1].clamp_min(1e-12)


def nearest(excerpts: Tensor, songs: Sequence[Tensor]) -> Nearest:
    """Compares ``excerpts: [n, bands, frames]`` with every moment of ``songs: [bands, any]``.

    Exact: sums of squares by running sums, cross-correlations by FFT. Songs shorter than an
    excerpt are infinitely far.
    """
    n, bands, frames = excerpts.shape
    distance = torch.full((n, len(songs)), torch.inf, dtype=torch.float64)
    start = torch.zeros(n, len(songs), dtype=torch.long)
    if n == 0:
        return Nearest(distance, start)
    centred = (excerpts - excerpts.mean(dim=(1, 2), keepdim=True)).float()
    # Correlation is convolution with the conjugate spectrum.
    spectrum = torch.fft.rfft(centred, _BLOCK).conj().permute(2, 1, 0).contiguous()
    energy = centred.double().square().sum(dim=(1, 2))
    for i, song in enumerate(songs):
        if song.shape[1] < frames:
            continue
        squared = energy[:, None] + _spread(song, frames)[None]
        squared -= 2 * _correlation(spectrum, song.float(), frames).double()
        least, start[:, i] = squared.min(dim=1)
        distance[:, i] = (least.clamp_min(0) / (bands * frames)).sqrt()
    return Nearest(distance, start)


def _spread(song: Tensor, frames: int) -> Tensor:
    """Sum of squares about the mean of each window of ``frames``, ``[windows]`` float64."""
    x = song.double()

    def windowed(values: Tensor) -> Tensor:
        total = torch.nn.functional.pad(values.sum(dim=0).cumsum(0), (1, 0))
        return total[frames:] - total[:-frames]

    return windowed(x.square()) - windowed(x).square() / (len(x) * frames)


def _correlation(spectrum: Tensor, song: Tensor, frames: int) -> Tensor:
    """Cross-correlation ``[n, windows]`` of a song with excerpts, by overlapping blocks.

    spectrum: ``[frequencies, bands, n]``, conjugate, of the excerpts.
    """
    windows = song.shape[1] - frames + 1
    step = _BLOCK - frames + 1
    blocks = -(-windows // step)
    # The level of a song correlates with excerpts that sum to zero to nothing but round-off.
    x = torch.nn.functional.pad(song - song.mean(), (0, blocks * step + frames - 1 - song.shape[1]))
    parts = []
    for some in x.unfold(1, _BLOCK, step).split(_BLOCKS_AT_ONCE, dim=1):
        product = torch.fft.rfft(some).permute(2, 1, 0) @ spectrum  # [frequencies, blocks, n]
        parts.append(torch.fft.irfft(product, _BLOCK, dim=0)[:step].permute(2, 1, 0).flatten(1))
    return torch.cat(parts, dim=1)[:, :windows]
