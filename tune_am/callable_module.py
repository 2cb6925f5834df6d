"""A module that can be called: `tune_am.search` is a command's module and a function at once.

`python -m tune_am.search` needs a module of that name, a library user the function
`tune_am.search(...)`. Two objects cannot share the name: importing a submodule sets it on its
package, so which of the two is there would depend on what was imported first. So there is one
object, the module, and calling it calls the function in it that bears its name: the same whether a
user wrote `import tune_am`, `import tune_am.search` or `from tune_am import search`.
"""

from __future__ import annotations

import inspect
import sys
from types import ModuleType
from typing import Any


class CallableModule(ModuleType):
    """A module whose call is that of its function of the same name."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._function(*args, **kwargs)

    @property
    def _function(self) -> Any:
        return getattr(self, self.__name__.rpartition(".")[2])  # some load it when first asked

    @property
    def __signature__(self) -> inspect.Signature:
        """What editors and notebooks show while one types."""
        return inspect.signature(self._function)


def make_callable(name: str) -> None:
    """Make the imported module `name` callable; one that runs as a command is left as it is."""
    if name != "__main__":
        sys.modules[name].__class__ = CallableModule
