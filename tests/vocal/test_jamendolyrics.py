"""JamendoLyrics, as small trees."""

import pytest

from tests.vocal.layout_trees import ARTISTS, SPLITS, spans
from tune_am.errors import UserError
from tune_am.vocal import corpus as stage
from tune_am.vocal.corpus import build_corpus, load_corpus
from tune_am.vocal.labels import NOT_SUNG, SUNG, UNCERTAIN
from tune_am.vocal.layouts import songs_of


def test_words_of_jamendolyrics(lyrics, tmp_path):
    stage.main(
        ["--corpus", "jamendolyrics", "--data", str(lyrics), "--work", str(tmp_path / "work")]
    )

    tracks = {track.split: track for track in load_corpus(tmp_path / "work")}
    frames = len(tracks["train"].labels)
    assert frames == pytest.approx(281, abs=10)  # mp3 pads
    # The words join, 0.1 s before and 0.5 s after them nobody is certain.
    around = [(UNCERTAIN, 63, 70), (SUNG, 70, 140), (UNCERTAIN, 140, 175)]
    between = [(NOT_SUNG, 0, 63), *around, (NOT_SUNG, 175, frames)]
    assert spans(tracks["train"].labels) == spans(tracks["valid"].labels) == between
    # There is singing without words in this one: it may lie anywhere.
    everywhere = [(UNCERTAIN, 0, 70), (SUNG, 70, 140), (UNCERTAIN, 140, frames)]
    assert spans(tracks["test"].labels) == everywhere
    assert {s: t.source for s, t in tracks.items()} == {
        split: f"jamendolyrics/{artist}" for split, artist in ARTISTS.items()
    }
    assert [tracks[split].showable for split in SPLITS] == [True, False, False]


def test_words_of_two_singers_may_overlap(lyrics, tmp_path):
    song = next((lyrics / "annotations" / "words").glob("*train*"))
    song.write_text("word_start,word_end,line_end\n1.0,3.0,nan\n1.5,2.0,nan\n0.5,0.6,0.6\n")

    build_corpus(lyrics, tmp_path / "work", corpus="jamendolyrics")

    (train,) = load_corpus(tmp_path / "work", "train")
    assert [span for span in spans(train.labels) if span[0] == SUNG] == [
        (SUNG, 35, 42),
        (SUNG, 70, 210),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("word_start,line_end\n1.0,nan\n", r"1: no columns word_start and word_end"),
        ("word_start,word_end,line_end\n1.0\n", r"2: '1.0', '' are not a start and an end"),
        ("word_start,word_end,line_end\n3,2,nan\n", r"2: ends at 2 s, before it starts at 3 s"),
        ("word_start,word_end,line_end\n3,7,nan\n", r"2: ends at 7 s, but the recording has only"),
        ("word_start,word_end,line_end\n", "has no words"),
        (b"\xff\xfe\x00", "is not a text file that can be read"),
    ],
)
def test_broken_words_are_named_with_their_line(lyrics, tmp_path, text, message):
    song = next((lyrics / "annotations" / "words").glob("*valid*"))
    song.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match=message) as caught:
        build_corpus(lyrics, tmp_path / "work", corpus="jamendolyrics")
    assert str(song) in str(caught.value)


def test_a_broken_jamendolyrics_is_named(lyrics, tmp_path):
    listing = lyrics / "JamendoLyrics.csv"
    whole = listing.read_text()

    def message(text=whole):
        listing.write_text(text)
        with pytest.raises(UserError) as caught:
            songs_of("jamendolyrics", lyrics, tmp_path)
        return str(caught.value)

    assert "csv:3: no Artist" in message(whole.replace(",Ben,", ",,"))
    assert "csv:1: no column LicenseType" in message(whole.replace("LicenseType", "License"))
    assert "csv has no songs for 'test'" in message(whole.replace(",Mia,", ",Ana,"))
    next((lyrics / "annotations" / "words").glob("*train*")).unlink()
    assert "has no labels: no Été_-_train.csv in annotations/words/" in message()
    next((lyrics / "mp3").glob("*train*")).unlink()
    assert "csv:2: no audio file 'Été_-_train.mp3'" in message()
    listing.unlink()
    with pytest.raises(UserError, match=r"expected JamendoLyrics.csv, mp3/ and annotations/words/"):
        songs_of("jamendolyrics", lyrics, tmp_path)
