"""How near a generator's excerpts are to real ones, by measures that it was not trained on.

``python -m tune_am.vocal.fidelity --work DIR [--generator FILE] [--out FILE.json]``: the same
measures of real excerpts of other songs stand beside the generator's, as yardstick. What is
computed of the real ones is kept in ``DIR/judge`` for as long as judge and corpus stay the same.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tune_am.am.frechet import frechet_distance
from tune_am.am.objectives import NEIGHBOURS
from tune_am.am.prdc import prdc
from tune_am.errors import UserError
from tune_am.packs.pack import Pack
from tune_am.vocal import texture
from tune_am.vocal.judge_net import Hearing, hear, judge_file, load_judge
from tune_am.vocal.nearest import Nearest, nearest
from tune_am.vocal.real import Real, real_excerpts, textured
from tune_am.vocal.refined import load_generator
from tune_am.vocal.samples import draw_samples
from tune_am.whole import whole

EXCERPTS = 1000  # on either side: a Fréchet distance of few is too large, so all have equally many
FEWEST = NEIGHBOURS + 1  # that have so many neighbours
COMPARED = 100  # samples looked up at every moment of every training song

# An excerpt is suspected a copy when it is nearer to a training song than real excerpts of other
# songs are in so many cases; so about as many are suspected by chance.
BY_CHANCE = 0.01


@dataclass(frozen=True)
class Comparison:
    """The measures, and what a figure of them needs. samples: ``[n, BANDS, FRAMES]``; nearest: of
    ``samples[chosen]``, in the training songs."""

    measures: dict[str, Any]
    samples: Tensor
    real: Real
    chosen: Tensor
    nearest: Nearest


def fidelity(
    work: Path,
    generator: Path | nn.Module | None = None,
    n: int = EXCERPTS,
    judge: Path | None = None,
) -> dict[str, Any]:
    """The measures of `n` samples, at least `FEWEST`, see `compare`.

    generator: a module with `latent`, its weights' file, or a pack; that of `work` if None. judge:
    its file; the one trained in `work`, else the shipped one, if None.
    """
    return compare(work, generator, n, judge).measures


def compare(
    work: Path,
    generator: Path | nn.Module | None = None,
    n: int = EXCERPTS,
    judge: Path | None = None,
    trust_code: bool = False,
) -> Comparison:
    """Compares samples with real training excerpts, and real test excerpts with the same.

    The measures' rows ``generated``, ``test`` and ``train_again`` (more training excerpts: what
    nothing can beat) each say, against the same `n` training excerpts: ``judge_fd`` and
    ``statistics_fd``, Fréchet distance in the judge's features and `texture.statistics_distance`;
    precision, recall, density, coverage in the judge's features; the share that the judge hears as
    singing; RMS differences of the bands' means and deviations (nats) and of the modulation
    spectra (dB). ``ratio``: generated over test. ``generated_against_test``: both distances to the
    test excerpts instead. ``nearest``: see `_memorised`.
    """
    if n < FEWEST:
        raise UserError(f"{n} samples are too few for precision and recall: take {FEWEST} or more")
    samples = draw(work, generator, n, trust_code)
    listener, facts = load_judge(judge or judge_file(work))
    real = real_excerpts(work, listener, facts["sha256"], n, COMPARED)
    heard = hear(listener, samples)
    rows = {
        "generated": _row(samples, heard, real),
        "test": _row(real.test, real.test_heard, real),
        "train_again": _row(real.again, real.again_heard, real),
    }
    distances = ("judge_fd", "statistics_fd")
    chosen = textured(samples)[:COMPARED]
    found = nearest(samples[chosen], [song.log_mel for song in real.songs])
    measures = {
        "n": n,
        "judge": {"sha256": facts["sha256"], "measures": facts.get("measures", {}).get("all")},
        **rows,
        "ratio": {name: rows["generated"][name] / rows["test"][name] for name in distances},
        "generated_against_test": {
            "judge_fd": frechet_distance(heard.features, real.test_heard.features),
            "statistics_fd": texture.statistics_distance(samples, real.test),
        },
        "nearest": _memorised(heard, found, real),
    }
    return Comparison(measures, samples, real, chosen, found)


def draw(
    work: Path,
    generator: Path | nn.Module | None,
    n: int,
    trust_code: bool = False,
) -> Tensor:
    """``[n, BANDS, FRAMES]`` samples, the networks in evaluation mode."""
    if isinstance(generator, nn.Module):
        return draw_samples(generator.eval(), n)  # type: ignore[arg-type]
    if generator is not None and generator.is_dir():
        prior = Pack.load(generator, trust_code=trust_code).prior
        return draw_samples(prior.generator, n)  # type: ignore[arg-type]
    weights = work / "gan" / "generator.safetensors" if generator is None else generator
    return draw_samples(load_generator(weights), n)


def _row(excerpts: Tensor, heard: Hearing, real: Real) -> dict[str, float]:
    """All measures of a set against the training excerpts."""
    moments = zip(texture.band_moments(excerpts), texture.band_moments(real.train), strict=True)
    mean, std = (_rms(one - other) for one, other in moments)
    over_time, over_bands = (
        _rms((spectrum(excerpts) - spectrum(real.train))[1:])
        for spectrum in (texture.modulation_over_time, texture.modulation_over_bands)
    )
    return {
        "judge_fd": frechet_distance(heard.features, real.train_heard.features),
        "statistics_fd": texture.statistics_distance(excerpts, real.train),
        **prdc(real.train_heard.features, heard.features),
        "heard_as_singing": float((heard.logits > 0).float().mean()),
        "band_mean_rms": mean,
        "band_std_rms": std,
        "modulation_over_time_rms_db": over_time,
        "modulation_over_bands_rms_db": over_bands,
    }


def _rms(x: Tensor) -> float:
    return float(x.square().mean().sqrt())


def _memorised(heard: Hearing, found: Nearest, real: Real) -> dict[str, Any]:
    """Are samples copies of training excerpts? Real excerpts of other songs say what is usual.

    distance: median RMS difference in nats to the nearest moment of all training songs. ratio: 1 %
    quantile and median of that over the distance to the nearest moment of another song. copies:
    share of samples whose ratio is lower than `BY_CHANCE` of the test excerpts'. feature_distance,
    feature_copies: the same of the distance to the nearest training excerpt, one a second, in the
    judge's features. Of samples in which nothing sounds there are the last two only.
    """
    near, usual = (
        torch.cdist(features, real.bank).min(dim=1).values
        for features in (heard.features, real.test_heard.features)
    )
    measures = {
        "compared": len(found.distance),
        "feature_distance": {"generated": float(near.median()), "test": float(usual.median())},
        "feature_copies": float((near < usual.quantile(BY_CHANCE)).float().mean()),
    }
    if not (len(found.distance) and len(real.test_nearest.distance)):  # nothing sounds in any
        return measures
    sides = {"generated": found, "test": real.test_nearest}
    ratios = {name: side.ratio() for name, side in sides.items()}
    threshold = ratios["test"].quantile(BY_CHANCE)
    return measures | {
        "distance": {name: float(side.best()[0].median()) for name, side in sides.items()},
        "ratio": {
            name: [float(values.quantile(q)) for q in (BY_CHANCE, 0.5)]
            for name, values in ratios.items()
        },
        "copies": float((ratios["generated"] < threshold).float().mean()),
    }


def main(argv: list[str] | None = None) -> None:
    from tune_am.command import add_trust_code
    from tune_am.vocal.fidelity_figure import draw_figure
    from tune_am.vocal.stages import stage_parser, step_count

    parser = stage_parser(__doc__)
    parser.add_argument("--generator", type=Path, help="its weights or a pack [DIR/gan]")
    parser.add_argument("--judge", type=Path, help="its file [DIR/judge, else the shipped one]")
    parser.add_argument("--samples", type=step_count, default=EXCERPTS, help=f"[{EXCERPTS}]")
    add_trust_code(parser)
    parser.add_argument("--out", type=Path, help="JSON file; a PNG of the same name goes beside it")
    options = parser.parse_args(argv)
    if options.out is not None and not options.out.parent.is_dir():
        raise UserError(f"no such folder for --out: {options.out.parent}")
    comparison = compare(
        options.work,
        options.generator,
        options.samples,
        options.judge,
        trust_code=options.trust_code,
    )
    text = json.dumps(comparison.measures, indent=2)
    if options.out is None:
        print(text)
        return
    with whole(options.out) as partial:
        partial.write_text(text + "\n", encoding="utf-8")
        draw_figure(options.out.with_suffix(".png"), comparison)


if __name__ == "__main__":
    from tune_am.vocal.stages import run_stage

    run_stage(main)
