"""Several neurons, asked for by one text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from tune_am.errors import UserError
from tune_am.naming import option

DIRECTION = ":@"  # between a layer and the file of a direction
_UNIT = re.compile(r"[0-9]+|[0-9]+-[0-9]+|\*")  # \d would take any script's digits


def is_unit(text: str) -> bool:
    """Whether `text` is a unit's number."""
    return text.isascii() and text.isdecimal()


def several(text: str) -> bool:
    """Whether `text` asks for a campaign, whatever the pack: "fc8:0-15", "a,b", and "a," of one.

    A direction whose file has a comma in its name is one neuron, where there is such a file.
    """
    layer, _, file = text.partition(DIRECTION)
    if "," not in layer and Path(file).is_file():
        return False
    return "," in text or re.search(r":(\*|[0-9]+-[0-9]+)$", text) is not None


def select(text: str, layers: Mapping[str, int]) -> list[str]:
    """The neurons that `text` asks for: "fc8:0-15", "fc8:*", "fc8:0,3,8-11", "vocal,fc8:3".

    `layers` maps each layer to its number of units. Units after a comma are of the layer before it.
    What is neither is left as it is, for `Neuron.parse` to judge. Raises `UserError` for units that
    a layer does not have, and for a neuron asked for twice.
    """
    names: list[str] = []
    layer = ""
    for part in (part.strip() for part in text.removesuffix(",").split(",")):
        if _UNIT.fullmatch(part) and layer:
            units = part
        else:
            layer, _, units = part.rpartition(":")
        if layer not in layers or not _UNIT.fullmatch(units):
            names.append(part)
            continue
        last = layers[layer] - 1
        first, _, end = ("0", "-", str(last)) if units == "*" else units.partition("-")
        low, high = int(first), int(end or first)
        if not low <= high <= last:
            raise UserError(f"no neurons {layer}:{units}: {layer} has the units 0-{last}")
        names += [f"{layer}:{unit}" for unit in range(low, high + 1)]
    if "" in names:
        raise UserError(f"{option('neuron', text)}: there is nothing between two of its commas")
    twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if twice is not None:
        raise UserError(f"{option('neuron', text)}: {twice} is asked for twice")
    return names
