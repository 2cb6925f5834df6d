"""What a campaign's last screen says."""

from __future__ import annotations

from typing import Any

from tune_am.am.settings import Settings
from tune_am.tuning.campaign.result import summary


def row(neuron: str, distance: float) -> dict[str, Any]:
    best = {"activation_fid": distance, "settings": Settings().to_dict()}
    controls = {"real_vs_real": {"activation_fid": 1.0}}
    facts = {"neuron": neuron, "distance": distance, "trials_total": 3}
    return {**facts, "best": best, "controls": controls}


def test_every_neuron_can_be_told_from_the_others() -> None:
    names = [f"layer1.0.conv1:{unit}" for unit in range(12)]
    content = {
        "units": [row(name, 2.0 + place) for place, name in enumerate(names)],
        "objective": "activation_fid",
        "complete": True,
        **dict.fromkeys(("trials_total", "trials_stopped_early", "trials_diverged"), 0),
        **dict.fromkeys(("trials_failed", "trials_unfinished", "sample_steps"), 0),
        "seconds": 1.0,
        "ascent_share": 0.5,
    }
    head, *lines = summary(content).splitlines()[1:13]
    assert "  x floor: the square root of activation-FID / noise floor\n" in summary(content)
    assert "Best for 12 of them: lr=0.05" in summary(content)
    assert "Best for" not in summary({**content, "units": content["units"][:1]})
    shown = [line.split()[0] for line in lines if "..." not in line]
    assert shown == [*names[:5], *names[-5:]]
    assert {len(line) for line in lines if "..." not in line} == {len(head)}
