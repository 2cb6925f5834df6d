"""Where a song is sung: probability of singing every 0.1 s.

``python -m tune_am.vocal.detect SONG... [--csv FILE] [--pack PACK [--trust-code]]``
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tune_am.command import CommandParser, add_trust_code
from tune_am.errors import UserError
from tune_am.whole import whole

if TYPE_CHECKING:
    from torch import nn

    from tune_am.packs.pack import Pack

HEADER = ("seconds", "singing")


def detect(song: Path, classifier: nn.Module) -> list[tuple[float, float]]:
    """(second, probability of singing) every 0.1 s, smoothed over 0.7 s as published.

    Raises:
        UserError: the file is not audio that soundfile reads, or is empty.
    """
    import torch

    from tune_am.vocal.evaluation import HOP_FRAMES, logits, smoothed
    from tune_am.vocal.melspec import FRAMES_PER_SECOND, log_mel, read_audio

    singing = torch.sigmoid(smoothed(logits(classifier, log_mel(read_audio(song)))))
    step = HOP_FRAMES / FRAMES_PER_SECOND
    return [(i * step, probability) for i, probability in enumerate(singing.tolist())]


def _detector(pack: Pack) -> nn.Module:
    """The pack's classifier, if it gives one logit, [n] or [n, 1], for log-mel excerpts
    [n, bands, frames]."""
    import torch
    from torch import nn

    from tune_am.am.layout import laid_out
    from tune_am.vocal.melspec import BANDS, FRAMES, expect_log_mel

    expect_log_mel(pack)
    silence = torch.zeros(2, BANDS, FRAMES)
    output = pack.classifier(silence)
    if not isinstance(output, torch.Tensor) or output.shape not in ((2,), (2, 1)):
        raise UserError(
            f"the classifier of the pack {pack.name} is no singing detector, which gives one "
            "logit for an excerpt"
        )
    return nn.Sequential(laid_out(pack.classifier, silence), nn.Flatten(0))


def table(songs: Sequence[Path], rows: Iterable[list[tuple[float, float]]]) -> str:
    """CSV with the header ``seconds,singing``, led by ``file`` when there are several songs."""
    several = len(songs) > 1
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("file", *HEADER) if several else HEADER)
    for song, predictions in zip(songs, rows, strict=True):
        for second, singing in predictions:
            row = (f"{second:.1f}", f"{singing:.4f}")
            writer.writerow((song, *row) if several else row)
    return text.getvalue()


def main(argv: list[str] | None = None) -> None:
    parser = CommandParser(
        prog="python -m tune_am.vocal.detect",
        description="Where a song is sung: the probability of singing every 0.1 s, as CSV of "
        "seconds,singing; of several songs file,seconds,singing.",
    )
    parser.add_argument(
        "songs", metavar="SONG", nargs="+", type=Path, help="an audio file (WAV, FLAC, OGG, MP3)"
    )
    parser.add_argument("--csv", type=Path, metavar="FILE", help="file to write (else printed)")
    parser.add_argument(
        "--pack",
        default="vocal",
        metavar="PACK",
        help="name or folder of a pack whose classifier hears singing in inputs like those of "
        "vocal [vocal]",
    )
    add_trust_code(parser)
    options = parser.parse_args(argv)
    missing = next((song for song in options.songs if not song.is_file()), None)
    if missing is not None:  # before seconds are spent on the others
        raise UserError(f"no such audio file: {missing}")
    if options.csv is not None and not options.csv.parent.is_dir():
        raise UserError(f"no such folder for --csv: {options.csv.parent}")

    from tune_am.packs.pack import Pack

    classifier = _detector(Pack.load(options.pack, trust_code=options.trust_code))
    text = table(options.songs, [detect(song, classifier) for song in options.songs])
    if options.csv is None:
        sys.stdout.write(text)
        return
    try:
        with whole(options.csv) as partial:
            partial.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write {options.csv}: {error.strerror}") from None


if __name__ == "__main__":
    from tune_am.vocal.stages import run_stage

    run_stage(main, goes_on=False)
