"""What numbers depend on."""

from __future__ import annotations

import platform
from importlib.metadata import version

from tune_am import __version__


def versions(*packages: str) -> dict[str, str]:
    """Of this package, of Python and of so many others."""
    others = {name: version(name) for name in packages}
    return {"tune_am": __version__, "python": platform.python_version(), **others}
