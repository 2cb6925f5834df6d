"""Where a song is sung: probability of singing every 0.1 s.

``python -m tune_am.vocal.detect SONG... [--csv FILE] [--pack PACK]``
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from tune_am.command import CommandParser
from tune_am.errors import UserError

HEADER = ("seconds", "singing")


def detect(song: Path, classifier: object) -> list[tuple[float, float]]:
    """(second, probability of singing) every 0.1 s, smoothed over 0.7 s as published.

    Raises:
        UserError: the file is not audio that soundfile reads, or is empty.
    """
    import torch

    from tune_am.vocal.evaluation import HOP_FRAMES, logits, smoothed
    from tune_am.vocal.melspec import FRAMES_PER_SECOND, log_mel, read_audio

    assert isinstance(classifier, torch.nn.Module)
    singing = torch.sigmoid(smoothed(logits(classifier, log_mel(read_audio(song)))))
    step = HOP_FRAMES / FRAMES_PER_SECOND
    return [(i * step, probability) for i, probability in enumerate(singing.tolist())]


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
    parser = CommandParser(prog="python -m tune_am.vocal.detect", description=__doc__)
    parser.add_argument("songs", metavar="SONG", nargs="+", type=Path, help="an audio file")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="where to write (else printed)")
    parser.add_argument("--pack", default="vocal", help="a pack's name or folder")
    options = parser.parse_args(argv)
    missing = next((song for song in options.songs if not song.is_file()), None)
    if missing is not None:  # before seconds are spent on the others
        raise UserError(f"no such audio file: {missing}")
    if options.csv is not None and not options.csv.parent.is_dir():
        raise UserError(f"no such folder for --csv: {options.csv.parent}")

    from tune_am.am.layout import laid_out
    from tune_am.am.pack import Pack

    classifier = laid_out(Pack.load(options.pack).classifier)
    text = table(options.songs, [detect(song, classifier) for song in options.songs])
    if options.csv is None:
        sys.stdout.write(text)
        return
    partial = options.csv.with_name(options.csv.name + ".partial")
    try:
        partial.write_text(text)
        partial.replace(options.csv)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise UserError(f"cannot write {options.csv}: {error.strerror}") from None


if __name__ == "__main__":
    from tune_am.vocal.stages import run_stage

    run_stage(main)
