"""What the detector does on songs it was not trained on: its measures, and the reference.

Run alone, after the detector is trained: ``python -m tune_am.vocal.held_out --work DIR``.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from rich.progress import track
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tune_am.am.layout import laid_out
from tune_am.packs.manifest import sha256_of
from tune_am.packs.reference import GROUPS, collect
from tune_am.vocal import evaluation
from tune_am.vocal.checkpoint import load_trained
from tune_am.vocal.corpus import Track, corpus_digest, load_corpus
from tune_am.vocal.nets import BATCH, Detector
from tune_am.vocal.voices import has_voices, load_voices, voices_digest
from tune_am.whole import whole

LAYERS = ("conv1", "conv2", "conv4", "conv5", "fc7", "fc8", "fc9")

# Frames from one reference excerpt to the next: songs with singing are few and give one every
# 0.5 s, so that the most exciting ones do not all overlap; instrumental pieces one every second.
SUNG_HOP, INSTRUMENTAL_HOP = 35, 70

# Excerpts of the same 10 s of a song are one group of the reference: they overlap, or repeat.
GROUP_FRAMES = 700
RESAMPLES = 400  # of songs, for an interval


def held_out(work: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Measures and reference of the trained detector, kept in ``work`` until it is trained anew
    or the recordings are others.

    Returns:
        The measures of ``detector_metrics``, and of the excerpts of all validation and test songs
        the activations, layer -> ``[excerpts, units]`` float16, and the groups (`GROUPS`).
    """
    weights = work / "detector" / "detector.safetensors"
    metrics_file, reference_file = (work / "held_out" / n for n in ("metrics.json", "reference"))
    detector = laid_out(load_trained(Detector(), weights))
    of = {
        "detector": sha256_of(weights),
        "corpus": corpus_digest(work),
        "voices": voices_digest(work),
        "group_frames": GROUP_FRAMES,
    }
    if metrics_file.is_file():
        kept = json.loads(metrics_file.read_text(encoding="utf-8"))
        if kept.get("of") == of:
            return kept["metrics"], load_file(reference_file)
    metrics_file.parent.mkdir(exist_ok=True)
    songs = load_corpus(work, "valid", "test")
    batches = track(list(_batches(songs)), "reference")
    reference = {k: v.half() for k, v in collect(detector, LAYERS, batches).items()}
    reference[GROUPS] = groups_of(songs)
    metrics = detector_metrics(detector, work)
    save_file(reference, reference_file)
    with whole(metrics_file) as partial:
        partial.write_text(json.dumps({"of": of, "metrics": metrics}, indent=1), encoding="utf-8")
    return metrics, reference


def _batches(tracks: Sequence[Track]) -> Iterator[Tensor]:
    for song in tracks:
        for centres in _centres(song).split(BATCH):
            yield song.excerpts(centres)


def _centres(song: Track) -> Tensor:
    return torch.arange(0, len(song.labels), SUNG_HOP if song.sung else INSTRUMENTAL_HOP)


def groups_of(tracks: Sequence[Track]) -> Tensor:
    """The group ``[excerpts]`` of each reference excerpt of these songs."""
    moments = [(i, int(c) // GROUP_FRAMES) for i, song in enumerate(tracks) for c in _centres(song)]
    number = {moment: i for i, moment in enumerate(dict.fromkeys(moments))}
    return torch.tensor([number[moment] for moment in moments], dtype=torch.int32)


def detector_metrics(detector: nn.Module, work: Path) -> dict[str, Any]:
    """Measures on held-out songs, at the threshold chosen on the validation songs.

    Groups, left out where there are no songs for them: ``valid``; ``test`` (sung songs of artists
    never heard in training); ``singer_known`` (new songs of a singer of training songs);
    ``instrumental`` (nobody sings: errors are false alarms, there is no curve to take an area
    under); ``speech`` (people talking, no music, where the voices stage was run: the share of it
    that is heard as singing). ``songs`` holds the same for each song in which somebody sings.
    """
    groups = _groups(load_corpus(work))
    if has_voices(work):
        groups["speech"] = load_voices(work, "speech")
    heard = {
        name: [(song, *evaluation.labelled_logits(detector, [song])) for song in songs]
        for name, songs in track(groups.items(), "detector's measures")
    }
    threshold = evaluation.best_threshold(*_joined(heard["valid"]))
    metrics: dict[str, Any] = {
        name: _measured(songs, threshold) | {"minutes": evaluation.minutes(groups[name])}
        for name, songs in heard.items()
    }
    metrics["valid"]["threshold"] = threshold
    metrics["songs"] = [
        {"name": song.name, "source": song.source, "group": group}
        | _measured([(song, values, labels)], threshold)
        for group, songs in heard.items()
        for song, values, labels in songs
        if song.sung
    ]
    return metrics


Heard = tuple[Track, Tensor, Tensor]  # a song, its logits ``[n]`` and labels ``[n]``


def _joined(songs: Sequence[Heard]) -> tuple[Tensor, Tensor]:
    _, values, labels = zip(*songs, strict=True)
    return torch.cat(values), torch.cat(labels)


def _measured(songs: Sequence[Heard], threshold: float) -> dict[str, Any]:
    """Measures of some songs together; of several with 95 % intervals over the songs."""
    values, labels = _joined(songs)
    if labels.min() == labels.max():
        heard = float((values > threshold).float().mean())
        return {"false_positives": heard, "predictions": float(len(values))}
    measured: dict[str, Any] = asdict(evaluation.measure(values, labels, threshold))
    if len(songs) > 1:
        measured["interval"] = _interval_over_songs(songs, threshold)
    return measured


def _interval_over_songs(songs: Sequence[Heard], threshold: float) -> dict[str, list[float]]:
    """95 % percentile intervals of AUC and error, songs drawn with replacement."""
    draws = torch.Generator().manual_seed(0)
    drawn = []
    for _ in range(RESAMPLES):
        chosen = torch.randint(len(songs), (len(songs),), generator=draws).tolist()
        values, labels = _joined([songs[i] for i in chosen])
        if labels.min() != labels.max():
            score = evaluation.measure(values, labels, threshold)
            drawn.append([score.auc, score.error])
    low, high = torch.tensor(drawn).quantile(torch.tensor([0.025, 0.975]), dim=0).tolist()
    return {"auc": [low[0], high[0]], "error": [low[1], high[1]]}


def _groups(tracks: Sequence[Track]) -> dict[str, list[Track]]:
    trained_on = {song.source for song in tracks if song.sung and song.split == "train"}
    groups: defaultdict[str, list[Track]] = defaultdict(list)
    for song in tracks:
        if song.split == "valid":
            groups["valid"].append(song)
        elif song.split == "test" and song.source in trained_on:
            groups["singer_known"].append(song)
        elif song.split == "test":
            # An instrumental version too: what is easy must not thin out errors on the singers.
            groups["test" if song.sung else "instrumental"].append(song)
    return dict(groups)


def main(argv: list[str] | None = None) -> None:
    from tune_am.vocal.stages import stage_parser

    metrics, _ = held_out(stage_parser(__doc__).parse_args(argv).work)
    print(json.dumps(metrics, indent=2))


if __name__ == "__main__":
    from tune_am.vocal.stages import run_stage

    run_stage(main)
