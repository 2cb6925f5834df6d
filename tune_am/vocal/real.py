"""Real excerpts that a generator's samples are compared with, and what the judge hears in them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from tune_am.errors import UserError
from tune_am.vocal.batches import Batches
from tune_am.vocal.corpus import Track, corpus_digest, load_corpus
from tune_am.vocal.judge_net import Hearing, Judge, hear
from tune_am.vocal.nearest import Nearest, nearest
from tune_am.whole import whole

BANK_HOP = 70  # frames from one training excerpt of the bank to the next: one a second

# Excerpts whose bands and frames deviate less than this from their mean, in nats, are near silence:
# all alike, and no sign of copying.
_TEXTURED = 1.0

_VERSION = 1  # of what is kept on disk


@dataclass(frozen=True)
class Real:
    """train, again, test: ``[n, BANDS, FRAMES]``, drawn as a GAN's batches are, the last from songs
    that it never had. bank: the judge's features ``[m, D]`` of the training songs, one a second.
    songs: the training songs. test_nearest: of some test excerpts, in the training songs."""

    train: Tensor
    again: Tensor
    test: Tensor
    train_heard: Hearing
    again_heard: Hearing
    test_heard: Hearing
    bank: Tensor
    songs: list[Track]
    test_nearest: Nearest


def real_excerpts(work: Path, judge: Judge, digest: str, n: int, compared: int) -> Real:
    """`n` excerpts of each kind; taken from disk when they are there for this judge and corpus.

    digest: the judge's. compared: test excerpts that are looked up in the training songs.
    """
    songs = load_corpus(work, "train")
    key = [_VERSION, digest, corpus_digest(work), n, compared, 0]  # 0: the seed
    name = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]
    file = work / "judge" / f"real-{name}.safetensors"
    if not file.is_file():
        tensors = _compute(work, songs, judge, n, compared)
        file.parent.mkdir(exist_ok=True)
        with whole(file) as partial:
            save_file(tensors, partial)
    kept = load_file(file)

    def heard(name: str) -> Hearing:
        return Hearing(kept[f"{name} logits"], kept[f"{name} features"])

    train, again, test = (kept[name].float() for name in ("train", "again", "test"))
    return Real(
        *(train, again, test),
        *(heard("train"), heard("again"), heard("test")),
        kept["bank"],
        songs,
        Nearest(kept["test distance"], kept["test start"]),
    )


def textured(excerpts: Tensor) -> Tensor:
    """Indices of the excerpts ``[n, BANDS, FRAMES]`` in which something sounds."""
    return torch.nonzero(excerpts.flatten(1).std(dim=1) > _TEXTURED).flatten()


def _compute(
    work: Path, songs: Sequence[Track], judge: Judge, n: int, compared: int
) -> dict[str, Tensor]:
    draws = torch.Generator().manual_seed(0)
    others = load_corpus(work, "valid", "test")
    if not others:
        raise UserError(f"the corpus in {work} has no validation or test songs to compare with")
    train, again = (
        Batches(list(songs)).draw(2 * n, draws)[0][torch.randperm(2 * n, generator=draws)].chunk(2)
    )
    test = Batches(others).draw(n, draws)[0]
    tensors = {}
    for name, excerpts in (("train", train), ("again", again), ("test", test)):
        heard = hear(judge, excerpts)
        tensors[name] = excerpts.half()
        tensors[f"{name} logits"], tensors[f"{name} features"] = heard.logits, heard.features
    bank = [
        hear(judge, song.excerpts(torch.arange(BANK_HOP // 2, len(song.labels), BANK_HOP))).features
        for song in songs
    ]
    # The draw has the sung ones first: mixed, so that those that are looked up are of all kinds.
    some = textured(test)[torch.randperm(len(textured(test)), generator=draws)[:compared]]
    found = nearest(test[some], [song.log_mel for song in songs])
    tensors |= {"bank": torch.cat(bank), "test distance": found.distance, "test start": found.start}
    return {name: tensor.contiguous() for name, tensor in tensors.items()}
