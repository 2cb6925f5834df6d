"""More voices for the detector: recorded speech made to sing, as log-mel spectrograms of the voice
alone, which training lays over instrumental music.

Run alone: ``python -m tune_am.vocal.voices --work DIR [--debian DIR]``. ``voices.json`` beside this
file lists the recordings: Debian packages with free licences.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import track
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from tune_am.errors import UserError
from tune_am.packs.manifest import sha256_of
from tune_am.vocal import labels
from tune_am.vocal.corpus import Track
from tune_am.vocal.melspec import log_mel
from tune_am.vocal.singer import sing
from tune_am.vocal.sources import unpacked
from tune_am.vocal.speech import analyse, join_recordings, world
from tune_am.whole import whole

SOURCES = Path(__file__).with_name("voices.json")

_INDEX = "voices.json"  # in the work folder

SPEECH_SECONDS = 15.0  # of each speaker taken apart: some forty syllables
FEWEST_SYLLABLES = 8  # of a speaker; fewer would sing the same word again and again
TAKES, TAKE_SECONDS = 2, 15.0  # per speaker: melodies and kinds of voice differ from take to take
SPEECH = "speech"  # name of the track, and its split, of what a held-out speaker said
HELD_OUT_SECONDS = 45.0  # of it

# Mean of the mel magnitudes over all bands and all sung (or spoken) frames: the same in every
# track, so that a mix is at a known level.
LEVEL = 0.02
TAIL = 0.01  # what sounds in a rest so loud beside the song (-40 dB) is uncertain: reverberation


@dataclass(frozen=True)
class Speaker:
    """One person's recordings."""

    name: str  # id of the source and the speaker's name in it
    licence: str
    files: list[Path]
    held_out: bool


def find_speakers(work: Path, debian: Path | None = None, sources: Path = SOURCES) -> list[Speaker]:
    """Every speaker of ``voices.json``; packages that are not there are downloaded into ``work``.

    Raises:
        UserError: a package cannot be had, or holds no recordings of a speaker.
    """
    speakers = []
    for source in json.loads(sources.read_text(encoding="utf-8"))["sources"]:
        folder = unpacked(source["debian"], work, debian)
        for name in source["speakers"] + source["held_out"]:
            pattern = source["files"].format(speaker=name)
            files = sorted(folder.glob(pattern))
            if not files:
                raise UserError(
                    f"{source['debian']} has no {pattern}: its version differs from the one "
                    "listed in voices.json"
                )
            held_out = name in source["held_out"]
            speakers.append(Speaker(f"{source['id']}/{name}", source["licence"], files, held_out))
    return speakers


def build_voices(
    work: Path, debian: Path | None = None, seed: int = 0, sources: Path = SOURCES
) -> None:
    """Computes and caches every speaker's tracks; those made before with the same seed are kept.

    Raises:
        UserError: as ``find_speakers``; pyworld is missing.
    """
    world()  # missing, it should be missed before hundreds of megabytes are downloaded
    folder = work / "voices"
    folder.mkdir(parents=True, exist_ok=True)
    index: list[dict[str, Any]] = []
    for speaker in track(find_speakers(work, debian, sources), "voices"):
        file = folder / (speaker.name.replace("/", "-") + ".safetensors")
        facts = {"source": speaker.name, "licence": speaker.licence, "held_out": speaker.held_out}
        facts |= {"seed": seed, "takes": TAKES, "seconds": TAKE_SECONDS}
        if not _cached(file, facts):
            tensors = _tracks(speaker, seed)
            with whole(file) as partial:
                save_file(tensors, partial, metadata={"facts": json.dumps(facts)})
        index.append({"file": file.name} | facts)
    (folder / _INDEX).write_text(json.dumps(index, indent=1), encoding="utf-8")


def has_voices(work: Path) -> bool:
    """Whether the voices stage has been run in ``work``; nothing else needs it."""
    return (work / "voices" / _INDEX).is_file()


def voices_digest(work: Path) -> str | None:
    """SHA-256 of which voices there are and how they were made; None without any."""
    return sha256_of(work / "voices" / _INDEX) if has_voices(work) else None


def load_voices(work: Path, *splits: str) -> list[Track]:
    """The cached tracks of the given splits (all without any): "train" and, of other speakers,
    "valid" are sung; "speech" is what the speakers of "valid" said, not made to sing.

    Silence is ``LOG_FLOOR`` in every band; the mean of ``exp(log_mel)`` over the bands and the sung
    frames is ``LEVEL`` in every track (of "speech", over the frames with speech).

    Raises:
        UserError: the voices stage has not been run in ``work``.
    """
    index = work / "voices" / _INDEX
    if not index.is_file():
        raise UserError(f"no voices in {work}: run 'python -m tune_am.vocal.voices' first")
    tracks = []
    for entry in json.loads(index.read_text(encoding="utf-8")):
        tensors = load_file(index.parent / entry["file"])
        for key in sorted(key for key in tensors if key.startswith("log_mel ")):
            name = key.removeprefix("log_mel ")
            split = "valid" if entry["held_out"] else "train"
            if name == SPEECH:
                split = "speech"
            if not splits or split in splits:
                facts = {"name": name, "split": split}
                facts |= {key: entry[key] for key in ("source", "licence")}
                labelled = {"log_mel": tensors[key], "labels": tensors[f"labels {name}"]}
                tracks.append(Track(**facts, sung=name != SPEECH, showable=True, **labelled))
    return tracks


def _cached(file: Path, facts: dict) -> bool:
    if not file.is_file():
        return False
    with safe_open(file, "pt") as tensors:
        return json.loads(tensors.metadata()["facts"]) == facts


def _tracks(speaker: Speaker, seed: int) -> dict[str, torch.Tensor]:
    """Spectrograms and labels of a speaker's takes, and of the speech of one held out; nothing of
    a speaker with too few syllables."""
    rng = _random(seed, speaker.name)
    files = [speaker.files[i] for i in rng.permutation(len(speaker.files))]
    speech = analyse(join_recordings(files, SPEECH_SECONDS))
    if len(speech.syllables) < FEWEST_SYLLABLES:
        return {}
    tracks = {}
    for number in range(TAKES):
        samples, sung, timbre = sing(speech, TAKE_SECONDS, rng)
        tracks[f"{number + 1}, {timbre.kind}"] = _sung(torch.from_numpy(samples).float(), sung)
    if speaker.held_out:
        samples = join_recordings(files, HELD_OUT_SECONDS)
        tracks[SPEECH] = _spoken(torch.from_numpy(samples).float())
    tensors = {f"log_mel {name}": log_mel for name, (log_mel, _) in tracks.items()}
    return tensors | {f"labels {name}": labels for name, (_, labels) in tracks.items()}


def _sung(samples: torch.Tensor, sung: list[labels.Span]) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-mel spectrogram ``[BANDS, frames]`` float16 and labels ``[frames]`` of a take."""
    level = log_mel(samples).exp().mean(dim=0)
    spans = labels.phrases(sung)
    frame_labels = torch.from_numpy(labels.from_spans(spans, [], len(level)))
    rest = frame_labels != labels.SUNG
    mean = level[~rest].mean()
    frame_labels[rest & (level > TAIL * mean)] = labels.UNCERTAIN
    return log_mel(samples * LEVEL / mean).half().contiguous(), frame_labels


def _spoken(samples: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The same of speech: pauses are uncertain, the rest is not sung."""
    level = log_mel(samples).exp().mean(dim=0)
    pause = level < TAIL * level.quantile(0.9)
    frame_labels = torch.full((len(level),), labels.NOT_SUNG, dtype=torch.uint8)
    frame_labels[pause] = labels.UNCERTAIN
    mean = level[~pause].mean()
    return log_mel(samples * LEVEL / mean).half().contiguous(), frame_labels


def _random(seed: int, name: str) -> np.random.Generator:
    """Random numbers of a speaker's own: others may be added without a change of this one's."""
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


def main(argv: list[str] | None = None) -> None:
    from tune_am.vocal.stages import add_debian_option, stage_parser

    parser = stage_parser(__doc__)
    add_debian_option(parser)
    parser.add_argument("--seed", type=int, default=0, help="[0]")
    options = parser.parse_args(argv)
    build_voices(options.work, options.debian, options.seed)


if __name__ == "__main__":
    from tune_am.vocal.stages import run_stage

    run_stage(main)
