"""How many starts should an ascent advance at once? Sample-steps per second against the chunk.

    python bench/batch.py [--pack vocal] [--device cpu] [--starts 50] [--rounds 5]

Prints a table for one thread and for all of them, and how far the chunk that the ascent chooses by
itself is from the best. The chunks take turns, and the fastest turn of each counts: other work on
the machine can only slow a turn down.
"""

from __future__ import annotations

import argparse
import time

import torch

from tune_am.am.ascent import Ascent
from tune_am.am.settings import Settings
from tune_am.packs.device import default_chunk
from tune_am.packs.neuron import Neuron
from tune_am.packs.pack import Pack


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pack", default="vocal", help="name or folder of a pack")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1 ...")
    parser.add_argument("--starts", type=int, default=50, help="starts of the trial")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each chunk")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    pack = Pack.load(arguments.pack, device)
    neuron = pack.neuron(next(iter(pack.neurons)))
    # On an accelerator, what the processor's threads do is no matter.
    threads = sorted({1, torch.get_num_threads()}) if device.type == "cpu" else [1]
    print(f"{arguments.starts} starts on {device}, neuron {neuron.name}, torch {torch.__version__}")
    for count in threads:
        torch.set_num_threads(count)
        rates = measure(pack, neuron, device, arguments.starts, arguments.rounds)
        report(rates, default_chunk(device, arguments.starts), count)


def measure(
    pack: Pack, neuron: Neuron, device: torch.device, starts: int, rounds: int
) -> dict[int, float]:
    """Sample-steps per second for each chunk, at the fastest of its turns."""
    networks = pack.prior, pack.classifier
    ascents = {
        chunk: Ascent(*networks, neuron, Settings(), starts, 0, chunk=chunk, device=device)
        for chunk in chunks(starts, default_chunk(device, starts))
    }
    seconds: dict[int, list[float]] = {chunk: [] for chunk in ascents}
    for _ in range(rounds + 1):  # the first warms up
        for chunk, ascent in ascents.items():
            begun = time.perf_counter()
            ascent.advance(1)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            seconds[chunk].append(time.perf_counter() - begun)
    return {chunk: starts / min(times[1:]) for chunk, times in seconds.items()}


def chunks(starts: int, chosen: int) -> list[int]:
    """Powers of two up to all the starts, half of them, all, and what the ascent chooses."""
    powers = {2**k for k in range(starts.bit_length())}
    return sorted(powers | {max(1, starts // 2), starts, chosen})


def report(rates: dict[int, float], chosen: int, threads: int) -> None:
    best = max(rates, key=rates.__getitem__)
    print(f"\n{threads} thread{'s' if threads > 1 else ''}\n  at once   sample-steps/s")
    for chunk, rate in rates.items():
        marks = [name for name, at in (("best", best), ("chosen", chosen)) if at == chunk]
        print(f"  {chunk:7d}   {rate:14.1f}   {', '.join(marks)}".rstrip())
    short = 100 * (1 - rates[chosen] / rates[best])
    print(f"  the ascent's own choice, {chosen} at once, is {short:.0f} % below the best")


if __name__ == "__main__":
    main()
