"""The pack's data card: what it is for, what it learned from, how good it is, its limits."""

from __future__ import annotations

from pathlib import Path
from textwrap import fill
from typing import Any

from tune_am.vocal.batches import Batches
from tune_am.vocal.layouts import HOUSE

PICTURE = "samples.png"


def data_card(about: dict[str, Any]) -> str:
    """Markdown of the card: measures are ``pack.json``'s, notes on the house corpus our own."""
    detector, gan = about["metrics"]["detector"], about["metrics"]["gan"]
    training, spent = about["training"], about["corpus_minutes"]
    house = about["corpus"] == HOUSE
    return _filled(f"""# The vocal pack

A classifier that hears whether somebody sings in a 1.6 s excerpt of music, and a generator that
draws such excerpts: what `python -m tune_am.search --neuron vocal` explains by default.

## Intended use

Research on explanations of neural networks, activation maximisation above all. It is no tool to
decide anything about people or recordings, and the generator makes log-mel excerpts, no music.

## What is in it

| file | what |
|---|---|
| `pack.json` | shapes, units, layers, neurons, sources, training, measures, sha256 of every file |
| `classifier.safetensors` | the detector of Schlüter & Grill (2015), published size, float16 |
| `generator.safetensors` | convolutional generator, latent of 128, float16 |
| `reference.safetensors` | activations on held-out excerpts, float16; groups of 10 s of a song |
| `excerpts.safetensors` | real excerpts that may be shown, of training songs too, a byte a value |
| `statistics.safetensors` | moments and range of real inputs, for priors that no network learnt |
| `{PICTURE}` | real excerpts and random samples of the generator |

Input: log-mel `[80, 115]`; 22 050 Hz, window 1024, hop 315, 27.5-8000 Hz, log of max(x, 1e-7).
Convolutions' activations are averaged over positions; all are taken before the non-linearity.

## Sources

{_HOUSE_SPLITS if house else _OTHER_SPLITS.format(about["corpus"])}
Minutes: {spent["train"]} training, {spent["valid"]} validation, {spent["test"]} test.

{_sources(about["sources"])}

## Training

Detector: {training["detector"]["steps"]} steps of {training["detector"]["batch"]} excerpts:
half are sung, {_UNSUNG[house]}
AdamW, one-cycle, batch normalisation folded into the convolutions afterwards.
Augmentation: time stretch, band shift, gain, one smooth filter, other music mixed under. The
weights are those with the largest area under the ROC curve, averaged over the validation songs, on
which the logits were calibrated too: one temperature, and 0 where false alarms and misses are
equally rare there.{_voices(about["voices"])}

GAN: hinge loss, spectral normalisation, excerpts drawn alike, Adam whose rates fall to zero over
the last quarter. First a draft, 1-D convolutions over time with the bands as channels on either
side: {_gan(training["draft"])}. Then 2-D convolutions
that sharpen it and a second, 2-D discriminator: {_gan(training["gan"])}.
The weights are those of the checkpoint whose samples were nearest to the validation songs' excerpts
in the features of the judge that measures them below too.

    {training["command"]}

## Measures

Held-out songs, smoothed by a median over 0.7 s, at the threshold with the fewest errors on the
validation songs: a logit of {detector["valid"]["threshold"]:.2f}. (The logit 0 is where false
alarms and misses are equally rare there.)

| songs | area under ROC | error | false alarms | misses | minutes |
|---|---|---|---|---|---|
{_rows(detector)}

Song by song{_intervals(detector)}:

| song | of | area under ROC | error | false alarms | misses |
|---|---|---|---|---|---|
{_songs(detector["songs"])}

Beside published figures, which are of other data:

| network | trained and tested on | error |
|---|---|---|
| this architecture, by its author, later (mean, deviation of runs) | Jamendo | 6.5% ± 0.3% |
| ten of those, their predictions averaged | Jamendo | 5.8% |
| the best single network of You, Liu and Chen (2018) | Jamendo | 8.2% |
{_own(detector)}(The first two from the notes of github.com/f0k/ismir2015, branch
`phd_extra`.) Jamendo has 93 songs of about as many acts, labelled by hand for this
purpose{_HOUSE_TEST if house else "."}

Of {gan["samples"]} random samples of the generator, {gan["heard_as_singing"]:.0%} are heard as
singing by the detector.

The generator's samples against training excerpts, in the features of a judge: another network,
trained on songs of other acts{_shared(about["voices"])}
(`python -m tune_am.vocal.fidelity`). Real excerpts of songs that no GAN had are the yardstick; 1%
of them count as like a copy by definition.
(Other detectors and generators that were trained and not chosen, seeds and fewer singers:
`bench/README.md` of the repository.)

{_fidelity(gan["fidelity"])}

![samples]({PICTURE})

## Limits

{_HOUSE_LIMITS if house else ""}What the detector does with rap or growl has not been measured.
{_speech(detector)}
The generator's excerpts are rougher than real ones, as the measures say.

## Licence

Weights and reference activations: {about["licence"]["weights"]}. Code: {about["licence"]["code"]}.
Real excerpts that are shown come from the sources marked "shown", under the licences of those.
""")


def _filled(markdown: str) -> str:
    """Its paragraphs with lines of even length, whatever was put into them."""
    kept = ("#", "|", "!", "    ")  # headings, tables, pictures, code
    blocks = markdown.strip().split("\n\n")
    filled = [block if block.startswith(kept) else fill(block, 100, **_WHOLE) for block in blocks]
    return "\n\n".join(filled) + "\n"


_WHOLE: dict[str, Any] = {"break_long_words": False, "break_on_hyphens": False}

_HOUSE_SPLITS = """Splits are by artist, but for `marsshooter`, whose test songs share their
singer with training songs and are reported apart. Of pieces without singing, a tenth each is kept
for validation and test, chosen by the hash of their name; at most 90 s of a piece and about 20
minutes of a source are used. `wesnoth` is left out: some of its pieces have choirs and no list
says which.

Labels: karaoke notes joined over gaps under 0.35 s; the 0.1 s before and the 0.5 s after a phrase
are uncertain and used nowhere. Hand-made labels for `marsshooter`."""

_HOUSE_TEST = """; here one song each of two acts is the
test, and labels from karaoke files miss backing voices and are right to about 0.1 s. `--corpus
jamendo` rebuilds this pack on that set."""

_HOUSE_LIMITS = """Few real singers: one sings most of the training songs, a second most of the
rest; almost all in English or Hungarian, pop and metal. Trained on the others alone, this network
tells the songs of the choir from the rest hardly better than by chance (area 0.63): voices unlike
those it has heard may be missed. Two trainings on all of them, with different seeds, came to areas
of 0.984 and 0.952 and errors of 7.0% and 12% on the acts never heard: a rebuilt detector may be as
far from the table. """

# Whether there is music in which nobody sings at all.
_UNSUNG = {
    True: """a quarter lie between the phrases of the same songs, a quarter are music without any
singing.""",
    False: "half lie between the phrases of the same songs.",
}

_OTHER_SPLITS = """The set called `{}`; its labels, and its splits where it has them."""


def _own(metrics: dict[str, Any]) -> str:
    """The row of this pack's error, where there are artists to measure it on."""
    if "error" not in metrics.get("test", {}):
        return "\n"
    error = f"{metrics['test']['error']:.1%}"
    return f"| this pack's | the songs above, artists never heard in training | {error} |\n\n"


def _gan(training: dict[str, Any]) -> str:
    spent = f"{training['seconds'] / 60:.0f} minutes"
    if training["device"] != "cpu":
        spent += " of a share of a GPU"
    return f"{training['steps']} steps of {training['batch']} excerpts, {spent}"


def _fidelity(measures: dict[str, Any]) -> str:
    """The generator and real excerpts, a row each."""
    rows = {
        "the generator": (measures["generated"], measures["nearest"]["feature_copies"]),
        "real, unheard songs": (measures["test"], None),
    }
    lines = ["| | " + " | ".join(_FIDELITY.values()) + " | like a copy |"]
    lines.append("|---" * (2 + len(_FIDELITY)) + "|")
    for title, (row, copies) in rows.items():
        cells = [format(row[key], _FIDELITY_FORMS.get(key, ".2f")) for key in _FIDELITY]
        cells.append("1.0%" if copies is None else f"{copies:.1%}")
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _sources(sources: list[dict[str, Any]]) -> str:
    lines = ["| source | of | role | split | licence | shown |", "|---|---|---|---|---|---|"]
    for source in sources:
        split = source.get("split", "by piece")
        lines.append(
            "| {id} | {by} | {role} | {split} | {licence} | {shown} |".format(
                id=source["id"],
                by=_author(source),
                role=source["role"].replace("_", " "),
                split=split if isinstance(split, str) else "by song",
                licence=source["licence"],
                shown="yes" if source.get("excerpts") else "no",
            )
        )
    return "\n".join(lines)


def _author(source: dict[str, Any]) -> str:
    if "artist" in source:
        return str(source["artist"])
    if "debian" in source:
        return f"Debian package {source['debian']}"
    return Path(source["path"]).parent.name or str(source["id"])


_FIDELITY = {
    "judge_fd": "Fréchet distance",
    "precision": "precision",
    "recall": "recall",
    "density": "density",
    "coverage": "coverage",
    "heard_as_singing": "heard as singing",
    "modulation_over_time_rms_db": "modulation over time off by, dB",
}
_FIDELITY_FORMS = {"heard_as_singing": ".0%", "modulation_over_time_rms_db": ".1f"}

# Groups of held-out songs, by their names in pack.json's metrics.
_GROUPS = {
    "valid": "validation",
    "test": "test: artists never heard in training",
    "singer_known": "test: new songs of a singer heard in training",
    "instrumental": "test: music, nobody sings",
    "speech": "people talking, no music (alarms: heard as singing)",
}


_FORMS = {"auc": ".3f", "error": ".1%", "false_positives": ".1%", "false_negatives": ".1%"}


def _cells(score: dict[str, Any], forms: dict[str, str]) -> str:
    return " | ".join(
        format(score[key], form) if key in score else "-" for key, form in forms.items()
    )


def _rows(metrics: dict[str, Any]) -> str:
    forms = _FORMS | {"minutes": ".1f"}
    return "\n".join(
        f"| {title} | {_cells(metrics[group], forms)} |"
        for group, title in _GROUPS.items()
        if group in metrics
    )


def _songs(songs: list[dict[str, Any]]) -> str:
    return "\n".join(
        f"| {song['name']} | {_GROUPS[song['group']]} | {_cells(song, _FORMS)} |" for song in songs
    )


def _intervals(metrics: dict[str, Any]) -> str:
    """95 % intervals over songs, of the groups that have several songs."""
    parts = [
        f"{_GROUPS[group]} {low:.3f} to {high:.3f}"
        for group in _GROUPS
        if "interval" in metrics.get(group, {})
        for low, high in [metrics[group]["interval"]["auc"]]
    ]
    if not parts:
        return ""
    return f" (95 % intervals of the area over songs drawn anew: {'; '.join(parts)})"


def _speech(metrics: dict[str, Any]) -> str:
    if "speech" not in metrics:
        return ""
    alarms = metrics["speech"]["false_positives"]
    return f"""Speech is no hard negative: at the threshold above, {alarms:.0%} of speech without
music is heard as singing."""


def _shared(voices: dict[str, Any]) -> str:
    """What the detector and the shipped judge both learned from."""
    if not voices["speakers"]:
        return ""
    return "; both it and the detector also learned from the same speech made to sing"


def _voices(voices: dict[str, Any]) -> str:
    if not voices["speakers"]:
        return ""
    return f"""

More voices: {voices["minutes"]} minutes of speech of {voices["speakers"]} speakers, made to sing
with the WORLD vocoder and laid over music without singing: {Batches.VOICES:.0%} of what is sung in
a batch. They come from Debian packages; `tune_am/vocal/voices.json` lists them with licences."""
