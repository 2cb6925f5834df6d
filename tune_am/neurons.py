"""What there is to explain in a pack: its layers, their units, and what excites them for real.

python -m tune_am.neurons fc8
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from tune_am.command import CommandParser, add_trust_code, exit_status
from tune_am.counting import counted
from tune_am.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from tune_am.packs.pack import Pack

# Real excerpts that are named for one unit, and units of a layer that are shown.
NAMED = 5
SHOWN = 20

_HEAD = f"{'unit':>8}{'lowest':>10}{'mean':>10}{'highest':>10}{'deviation':>11}{'selectivity':>13}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; its exit status: 0, or 2 for what the user can mend."""
    return exit_status(lambda: _run(arguments))


def _run(arguments: Sequence[str] | None) -> None:
    parser = CommandParser(
        prog="python -m tune_am.neurons",
        description="The layers of a pack, the units of a layer, or what excites one unit.",
    )
    parser.add_argument(
        "what",
        nargs="?",
        metavar="LAYER|NEURON",
        help="a layer (fc8): its units; a neuron (fc8:12, vocal): of the real excerpts that may be "
        "shown, those that excite it most; without it: the layers",
    )
    parser.add_argument(
        "--pack", default="vocal", metavar="PACK", help="name or folder of the pack [vocal]"
    )
    add_trust_code(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object, with all units")
    asked = parser.parse_args(arguments)

    from tune_am.packs.pack import Pack  # seconds of imports, after the cheap checks

    pack = Pack.load(asked.pack, trust_code=asked.trust_code)
    found, lines = _answer(pack, asked.what)
    print(json.dumps(found) if asked.json else "\n".join(lines))


def _answer(pack: Pack, what: str | None) -> tuple[dict[str, Any], list[str]]:
    if what is None:
        return _pack(pack)
    if what in pack.layers:
        return _layer(pack, what)
    if ":" not in what and what not in pack.neurons:
        names = ", ".join([*pack.layers, *pack.neurons])
        raise UserError(f"no layer {what!r}; there are {names}, and layer:unit")
    return _neuron(pack, what)


def statistics(activations: Tensor) -> dict[str, Any]:
    """Of one unit over real excerpts, `activations: [n]`.

    dead: the unit says the same of all excerpts. selectivity: how far the largest 1 % (at least
    one excerpt) are above the mean, in standard deviations; about 2.7 of a normal distribution.
    """
    values = activations.double()
    deviation = float(values.std()) if len(values) > 1 else 0.0
    dead = float(values.max()) == float(values.min())
    top = values.topk(max(1, len(values) // 100)).values
    return {
        "lowest": float(values.min()),
        "mean": float(values.mean()),
        "highest": float(values.max()),
        "deviation": deviation,
        "selectivity": 0.0 if dead else float(top.mean() - values.mean()) / deviation,
        "dead": dead,
    }


def _units(pack: Pack, layer: str) -> list[dict[str, Any]]:
    columns = pack.reference.activations[layer].T
    return [{"unit": unit, **statistics(column)} for unit, column in enumerate(columns)]


def _pack(pack: Pack) -> tuple[dict[str, Any], list[str]]:
    layers = []
    for layer, units in pack.layers.items():
        rows = _units(pack, layer)
        layers.append(
            {
                "layer": layer,
                "module": _kind(pack.classifier.get_submodule(layer)),
                "units": units,
                "dead": sum(row["dead"] for row in rows),
                "lowest": min(row["lowest"] for row in rows),
                "highest": max(row["highest"] for row in rows),
                "selectivity": max(row["selectivity"] for row in rows),
            }
        )
    found = {
        "pack": pack.name,
        "excerpts": len(pack.reference),
        "neurons": pack.neurons,
        "layers": layers,
    }
    lines = [f"{pack.name}: activations of {len(pack.reference)} real excerpts", ""]
    lines += [*_table(layers), ""]
    named = [f"{alias} is {unit}" for alias, unit in pack.neurons.items()]
    return found, [*lines, *named, *_READ]


def _kind(module: nn.Module) -> str | None:
    """Its class; None of an exported network, whose modules are names only."""
    from tune_am.packs.graph import Layer

    return None if isinstance(module, Layer) else type(module).__name__


def _table(layers: Sequence[dict[str, Any]]) -> list[str]:
    """A line for each layer under their heads; the column `module` only where one has a class."""
    names = _padded(layers, "layer")
    if any(row["module"] for row in layers):
        names = [a + b for a, b in zip(names, _padded(layers, "module"), strict=True)]
    head, *names = names
    lines = [f"{head}{'units':>6}{'dead':>6}{'lowest':>11}{'highest':>11}{'most selective':>18}"]
    for name, row in zip(names, layers, strict=True):
        lines.append(
            f"{name}{row['units']:6}{row['dead']:6}"
            f"{row['lowest']:11.4g}{row['highest']:11.4g}{row['selectivity']:18.2f}"
        )
    return lines


def _padded(layers: Sequence[dict[str, Any]], key: str) -> list[str]:
    words = [key, *(row[key] or "" for row in layers)]
    width = max(map(len, words)) + 2
    return [word.ljust(width) for word in words]


_READ = (
    "An activation is what the module itself gives, before any nonlinearity that",
    "follows it; of a convolution, the mean over positions.",
)


def _layer(pack: Pack, layer: str) -> tuple[dict[str, Any], list[str]]:
    rows = _units(pack, layer)
    ranked = sorted(rows, key=lambda row: -row["selectivity"])[:SHOWN]
    lines = [
        f"{pack.name}, {layer}: {counted(len(rows), 'unit')}, the most selective first",
        "",
        _HEAD,
    ]
    lines += [_line(row) for row in ranked]
    if len(rows) > len(ranked):
        lines.append(f"and {len(rows) - len(ranked)} more: --json lists all")
    lines.append("Selectivity: the top 1 % of excerpts above the mean, in deviations.")
    return {"pack": pack.name, "layer": layer, "units": rows}, lines


def _line(row: dict[str, Any]) -> str:
    numbers = "".join(f"{row[name]:10.4g}" for name in ("lowest", "mean", "highest"))
    last = f"{'dead':>13}" if row["dead"] else f"{row['selectivity']:13.2f}"
    return f"{row['unit']:>8}{numbers}{row['deviation']:11.4g}{last}"


def _neuron(pack: Pack, name: str) -> tuple[dict[str, Any], list[str]]:
    from tune_am.am.score import activations_of

    neuron = pack.neuron(name)
    row = {"unit": neuron.place, **statistics(pack.reference.of(neuron))}
    named: list[dict[str, Any]] = []
    if pack.excerpts is not None:
        activations = activations_of(pack, neuron, pack.excerpts.inputs)
        for i in activations.argsort(descending=True, stable=True)[:NAMED].tolist():
            credit = pack.excerpts.credits[i]
            named.append({"excerpt": i, "activation": float(activations[i]), "credit": credit})
    lines = [f"{pack.name}, {neuron.name} over {len(pack.reference)} real excerpts", "", _HEAD]
    # A direction's place may be long: what it is stands in the line above.
    lines += [_line({**row, "unit": "" if neuron.weights else neuron.unit}), ""]
    if pack.excerpts is None:
        lines.append("The pack has no excerpts that it may show.")
    else:
        count = len(pack.excerpts)
        shown = counted(count, "excerpt that may be shown", "excerpts that may be shown")
        lines.append(f"Most exciting of the {shown}, counted from 0:")
        lines.append(f"{'activation':>10}{'excerpt':>9}  credit")
        for one in named:
            numbers = f"{one['activation']:10.4g}{one['excerpt']:9}  "
            lines += wrap(
                one["credit"],
                80,
                initial_indent=numbers,
                subsequent_indent=21 * " ",
                break_on_hyphens=False,
            )
    return {"pack": pack.name, "neuron": neuron.name, **row, "excerpts": named}, lines


if __name__ == "__main__":
    sys.exit(main())
