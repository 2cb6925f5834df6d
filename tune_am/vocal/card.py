"""The pack's data card: what it is for, what it learned from, how good it is, its limits."""

from __future__ import annotations

from typing import Any

PICTURE = "samples.png"


def data_card(about: dict[str, Any]) -> str:
    """Markdown text of the card, every number taken from the entries of ``pack.json``."""
    detector, gan = about["metrics"]["detector"], about["metrics"]["gan"]
    training, spent = about["training"], about["corpus_minutes"]
    return f"""# The vocal pack

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
| `generator.safetensors` | 1-D convolutional generator, latent of 128, float16 |
| `reference.safetensors` | activations of all layers on held-out excerpts, float16 |
| `{PICTURE}` | real excerpts and random samples of the generator |

Input: log-mel `[80, 115]`; 22 050 Hz, window 1024, hop 315, 27.5-8000 Hz, log of max(x, 1e-7).
Convolutions' activations are averaged over positions; all are taken before the non-linearity.

## Sources

Splits are by artist, but for `marsshooter`, whose test songs share their singer with training
songs and are reported apart. Of pieces without singing, a tenth each is kept for validation and
test, chosen by the hash of their name; at most 90 s of a piece and about 20 minutes of a source
are used. Minutes: {spent["train"]} training, {spent["valid"]} validation, {spent["test"]} test.
`wesnoth` is left out: some of its pieces have choirs and no list says which.

{_sources(about["sources"])}

Labels: karaoke notes joined over gaps under 0.35 s; the 0.1 s before and the 0.5 s after a phrase
are uncertain and used nowhere. Hand-made labels for `marsshooter`.

## Training

Detector: {training["detector"]["steps"]} steps of {training["detector"]["batch"]} excerpts:
half are sung, a quarter lie between the phrases of the same songs, a quarter are music without any
singing. AdamW, one-cycle, batch normalisation folded into the convolutions afterwards.
Augmentation: time stretch, band shift, gain, one smooth filter, other music mixed under. The
weights are those that were best on the validation songs.

GAN: {training["gan"]["steps"]} steps of {training["gan"]["batch"]} excerpts, drawn alike, in
{training["gan"]["seconds"] / 60:.0f} minutes. Hinge loss, spectral normalisation, Adam whose rates
fall to zero over the last quarter.

    {training["command"]}

## Measures

Held-out songs, smoothed by a median over 0.7 s; threshold chosen on the validation songs.

| songs | area under ROC | error | false alarms | misses | minutes |
|---|---|---|---|---|---|
{_rows(detector)}

Of {gan["samples"]} random samples of the generator, {gan["heard_as_singing"]:.0%} are heard as
singing by the detector.

![samples]({PICTURE})

## Limits

Few singers: one sings most of the training songs, a second most of the rest; almost all in
English or Hungarian, pop and metal. What the detector does with rap, growl, choirs or speech has
not been measured. The generator is rough: blurred harmonics beside real excerpts.

## Licence

Weights and reference activations: {about["licence"]["weights"]}, because part of the sung training
songs is NC. Code: {about["licence"]["code"]}. The real excerpts in the picture come from the
sources marked "shown", under the licences of those.
"""


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
    return str(source["path"]).split("/")[-2]


# Groups of held-out songs, by their names in pack.json's metrics.
_GROUPS = {
    "valid": "validation",
    "test": "test: artists never heard in training",
    "singer_known": "test: new songs of a singer heard in training",
    "instrumental": "test: other music, nobody sings",
}


def _rows(metrics: dict[str, dict[str, float]]) -> str:
    def cell(score: dict[str, float], key: str, form: str) -> str:
        return format(score[key], form) if key in score else "-"

    forms = {"auc": ".3f", "error": ".1%", "false_positives": ".1%", "false_negatives": ".1%"}
    forms["minutes"] = ".1f"
    return "\n".join(
        f"| {title} | " + " | ".join(cell(metrics[group], *item) for item in forms.items()) + " |"
        for group, title in _GROUPS.items()
        if group in metrics
    )
