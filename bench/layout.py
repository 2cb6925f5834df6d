"""What laying out networks anew for a CPU is worth: the time of a step with and without.

    python bench/layout.py [--pack vocal] [--starts 16] [--rounds 15]

Ascents with networks as they are, with the classifier laid out, and with both, take turns on one
thread; processor time counts, each at its fastest turn: other work can only slow a turn down.
"""

from __future__ import annotations

import argparse
import time
from unittest.mock import patch

import torch
from torch import nn

from tune_am.allocator import keep_freed_memory
from tune_am.am import ascent
from tune_am.am.layout import laid_out
from tune_am.am.settings import Settings
from tune_am.packs.pack import Pack
from tune_am.packs.prior import Prior


def neither(network: nn.Module, _: torch.Tensor) -> nn.Module:
    return network


def classifier_only(network: nn.Module, example: torch.Tensor) -> nn.Module:
    return network if isinstance(network, Prior) else laid_out(network, example)


WAYS = {"as they are": neither, "classifier laid out": classifier_only, "both": laid_out}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pack", default="vocal", help="name or folder of a pack")
    parser.add_argument("--starts", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=15)
    asked = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(1)
    pack = Pack.load(asked.pack)
    neuron = pack.neuron(next(iter(pack.neurons)))
    ascents = {}
    for name, way in WAYS.items():
        with patch.object(ascent, "laid_out", way):
            ascents[name] = ascent.Ascent(
                pack.prior, pack.classifier, neuron, Settings(), asked.starts, 0
            )
    seconds: dict[str, list[float]] = {name: [] for name in ascents}
    for _ in range(asked.rounds + 1):  # the first warms up
        for name, one in ascents.items():
            begun = time.process_time()
            one.advance(1)
            seconds[name].append(time.process_time() - begun)
    least = {name: min(times[1:]) for name, times in seconds.items()}
    print(f"{asked.starts} starts of {neuron.name}, one thread, torch {torch.__version__}")
    print(f"{'':22}{'s a step':>10}{'times as fast':>16}")
    for name, one in least.items():
        print(f"{name:22}{one:10.4f}{least['as they are'] / one:16.2f}")


if __name__ == "__main__":
    main()
