"""Results as scripts and notebooks read them."""

from __future__ import annotations

import json
import pickle
import shutil
from hashlib import sha256

import numpy as np
import pytest
from PIL import Image

import tune_am
from tune_am.explain import main as explain


def test_a_result_read_again(runs):
    result = tune_am.load_result(runs / "most")
    content = json.loads((runs / "most" / "result.json").read_text())
    assert (result.neuron, result.direction, result.complete) == ("vocal", "max", True)
    assert result.folder == runs / "most"
    assert result.best.settings == tune_am.Settings.from_dict(content["best"]["settings"])
    assert result.best.activation_fid == content["best"]["activation_fid"]
    assert list(result.best.ci95) == content["best"]["ci95"]
    assert [one.trial for one in result.runners_up] == [r["trial"] for r in content["runners_up"]]
    for name, control in result.controls.items():
        assert control.activation_fid == content["controls"][name]["activation_fid"]
    assert result.trials == content["trials"]
    table = result.to_frame()
    assert table["activation_fid"].tolist() == [row["activation_fid"] for row in result.trials]
    assert table["lr"].tolist() == [row["settings"]["lr"] for row in result.trials]
    with pytest.raises(tune_am.UserError, match="no run folder"):
        tune_am.load_result(runs / "none")


def test_a_result_is_pickled_whether_looked_at_or_not(runs):
    """For another process to read; the operations of an exported pack cannot be pickled."""
    result = tune_am.load_result(runs / "most")
    assert result.pack in vars(result).values()
    again = pickle.loads(pickle.dumps(result))
    assert (again.folder, again.content) == (result.folder, result.content)
    assert "pack" not in vars(again)


def test_a_result_in_a_notebook(runs):
    result = tune_am.load_result(runs / "most")
    html = result._repr_html_()
    content = json.loads((runs / "most" / "result.json").read_text())
    assert "95 % interval" in html
    assert html.count("<img src=") == 4
    for words in ("best", "2.", "never optimised", "random classifier", "real against real"):
        assert f">{words}</th>" in html
    assert html.count('scope="row"') == 1 + len(content["runners_up"]) + 3
    assert len(html) < 200_000
    assert "SearchResult of vocal, maximised: activation-FID" in repr(result)


def test_a_result_whose_pack_is_gone_keeps_its_numbers(runs, tmp_path):
    moved = json.loads((runs / "most" / "result.json").read_text())
    moved["pack"]["path"] = str(tmp_path / "gone")
    (tmp_path / "run").mkdir()
    for name in ("result.json", "search.json"):
        text = (runs / "most" / name).read_text()
        (tmp_path / "run" / name).write_text(json.dumps(moved) if name == "result.json" else text)
    result = tune_am.load_result(tmp_path / "run")
    html = result._repr_html_()
    assert "activation-FID" in html
    assert "<img" not in html
    with pytest.raises(tune_am.UserError, match="gone"):
        result.plot_examples()


def test_a_result_keeps_the_consent_to_its_pack_s_code(runs, shown_pack, tmp_path, monkeypatch):
    pack, run = tmp_path / "pack", tmp_path / "run"
    shutil.copytree(shown_pack, pack)
    shutil.copytree(runs / "most", run)
    (tmp_path / "nets_of_mine.py").write_text("from tune_am.vocal.nets import Detector\n")
    monkeypatch.syspath_prepend(tmp_path)
    manifest = (pack / "pack.json").read_text()
    assert "tune_am.vocal.nets:Detector" in manifest
    manifest = manifest.replace("tune_am.vocal.nets:Detector", "nets_of_mine:Detector")
    (pack / "pack.json").write_text(manifest)
    result = json.loads((run / "result.json").read_text())
    result["pack"] |= {"path": str(pack), "hash": sha256(manifest.encode()).hexdigest()}
    (run / "result.json").write_text(json.dumps(result))
    with pytest.raises(tune_am.UserError, match="foreign code"):
        _ = tune_am.load_result(run).pack
    assert tune_am.load_result(run, trust_code=True).pack.name == result["pack"]["name"]


def test_a_search_without_a_score_is_a_result_too(runs, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(runs / "most", run)
    result = json.loads((run / "result.json").read_text())
    result |= {"best": None, "runners_up": [], "controls": {}}
    (run / "result.json").write_text(json.dumps(result))
    found = tune_am.load_result(run)
    assert "No trial got as far as a score." in found._repr_html_()
    for asked in (found.plot_examples, found.answer):
        with pytest.raises(tune_am.UserError, match="no trial got as far"):
            asked()
    assert explain([str(run)]) == 2


def test_figures_are_pictures(runs, tmp_path):
    result = tune_am.load_result(runs / "most")
    for plot in (result.plot_examples, result.plot_activations, result.plot_search):
        figure = plot()
        (tmp_path / "shown.png").write_bytes(figure._repr_png_())
        shown = np.asarray(Image.open(tmp_path / "shown.png").convert("RGBA"))
        assert shown.shape[1] > 700
        assert shown[..., 3].std() > 10  # not all of it transparent
    figure.savefig(tmp_path / "saved.svg")
    assert "activation-FID</text>" in (tmp_path / "saved.svg").read_text()
    with pytest.raises(tune_am.UserError, match="not watched"):
        result.examples.plot_ascent()


def test_examples_play(runs):
    pytest.importorskip("IPython", reason="IPython is not installed")
    result = tune_am.load_result(runs / "most")
    player = result.play(0)
    assert player.data[:4] == b"fLaC"
    assert 'type="audio/' in player._repr_html_()
    assert result.play(1, "real").data != player.data
    with pytest.raises(tune_am.UserError, match="no example 99 of 'best': there are 0 to "):
        result.play(99)
    with pytest.raises(tune_am.UserError, match="no group 'worst'; there are best, real, never"):
        result.play(0, "worst")
