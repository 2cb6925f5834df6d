import json

import numpy as np
import pytest

from tune_am.errors import UserError
from tune_am.vocal import labels

SONG = """#TITLE:Two phrases
#MP3:other.mp3
#BPM:300,0
#GAP:2000
: 0 4 5 One
* 5 5 5 two
- 12
F 40 10 7 three
E
"""


def test_note_times(tmp_path):
    (tmp_path / "song.txt").write_text(SONG)

    notes = labels.read_ultrastar(tmp_path / "song.txt")

    # A beat lasts 15 / 300 = 0.05 s, counted from second 2.
    assert np.allclose(notes, [(2.0, 2.2), (2.25, 2.5), (4.0, 4.5)])


def test_syllables_join_into_phrases():
    assert labels.phrases([(2.0, 2.2), (2.25, 2.5), (4.0, 4.5)]) == [(2.0, 2.5), (4.0, 4.5)]


def test_frames_of_notes():
    frames = labels.from_notes([(2.0, 2.2), (2.25, 2.5), (4.0, 4.5)], frames=420)

    def at(second):
        return frames[round(second * 70)]

    assert at(1.0) == at(3.2) == at(5.5) == labels.NOT_SUNG
    assert at(2.0) == at(2.22) == at(4.4) == labels.SUNG
    assert at(1.95) == at(2.7) == at(4.8) == labels.UNCERTAIN


def test_in_hand_made_labels_doubt_wins(tmp_path):
    song = {"duration": 4, "vocal": [[1.0, 2.0]], "uncertain": [[1.9, 2.5]]}
    (tmp_path / "labels.json").write_text(json.dumps({"a.ogg": song}))

    frames = labels.from_hand(tmp_path / "labels.json", "a.ogg", 280)

    assert (frames[70:133] == labels.SUNG).all()
    assert (frames[133:175] == labels.UNCERTAIN).all()
    assert (frames[175:] == labels.NOT_SUNG).all()
    assert (frames[:70] == labels.NOT_SUNG).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("#TITLE:x\n: 0 1 1 a\n", "#BPM"),
        ("#BPM:0\n: 0 1 1 a\n", "no readable #BPM"),
        ("#BPM:-120\n: 0 1 1 a\n", "no readable #BPM"),
        ("#BPM:nan\n: 0 1 1 a\n", "no readable #BPM"),
        ("#BPM:300\n#GAP:inf\n: 0 1 1 a\n", "no readable #BPM and #GAP"),
        ("#BPM:300\n#RELATIVE:yes\n: 0 1 1 a\n- 4 4\n: 0 1 1 b\n", "#RELATIVE"),
        ("#BPM:300\n: 900 1 1 a\n", "has only 30.0 s: are these the labels"),
        ("#BPM:300\nE\n", "no notes"),
    ],
)
def test_what_is_no_karaoke_song_is_refused(tmp_path, text, message):
    (tmp_path / "song.txt").write_text(text)
    with pytest.raises(UserError, match=message):
        labels.read_ultrastar(tmp_path / "song.txt", 30.0)


def test_rap_is_sung(tmp_path):
    (tmp_path / "song.txt").write_text("#BPM:300\nR 0 4 0 Yo\nG 5 5 0 man\nE\n")
    assert labels.read_ultrastar(tmp_path / "song.txt") == [(0.0, 0.2), (0.25, 0.5)]
