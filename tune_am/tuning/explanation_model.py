"""The best setting as an MLflow model: more examples of it, in any process that has tune_am.

    model = mlflow.pyfunc.load_model("runs:/<id of the search>/explanation")
    made = model.predict({"number": 4, "seed": 1})
    made["inputs"], made["activations"]  # [4, *input_shape], [4]

The model is its pack, the settings as JSON and the name of this module, which MLflow imports: no
pickle, and no code but tune_am's own. Of a pack that names code outside tune_am, `load_model` asks
for `model_config={"trust_code": True}`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tune_am import __version__
from tune_am.am.ascent import Ascent
from tune_am.am.plan import fresh_seed
from tune_am.am.score import inputs_of
from tune_am.am.settings import Settings
from tune_am.errors import UserError
from tune_am.naming import option
from tune_am.packs.device import chosen_device
from tune_am.packs.manifest import FILE
from tune_am.packs.neuron import beside, direction_file, shown
from tune_am.packs.pack import Pack

if TYPE_CHECKING:
    from mlflow.models import ModelSignature
    from pandas import DataFrame

NAME = "explanation"  # of the model, among the artifacts of a search's run

_DATA, _SETTING, _PACK = "data", "setting.json", "pack"
_COLUMNS = ("number", "seed")
_INPUTS, _ACTIVATIONS = "inputs", "activations"

# A pack beyond this size stays where it is, and the model works only where that is: a copy for each
# search would fill a disk. (The vocal pack has 16 MB, and a release may bring another of its name:
# with its own copy, a model gives what it gave.)
MOST_COPIED_BYTES = 64 * 2**20


def save(out: Path, pack: Pack, neuron: str, direction: str, best: Mapping[str, Any]) -> None:
    """Write the model to the new folder `out`. best: as in result.json."""
    from mlflow import pyfunc
    from mlflow.models import Model

    data = out / _DATA
    data.mkdir(parents=True)
    if (file := direction_file(neuron)) is not None:
        shutil.copyfile(file, data / file.name)
    # What pack.json names: its folder may hold, or link to, what is none of a model's business.
    files = [pack.path / name for name in (FILE, *pack.described.sha256)]
    if sum(file.stat().st_size for file in files) <= MOST_COPIED_BYTES:
        (data / _PACK).mkdir()
        for file in files:
            shutil.copyfile(file, data / _PACK / file.name)
    setting = {
        "neuron": shown(neuron),
        "direction": direction,
        "settings": dict(best["settings"]),
        "step": best["step"],
        "prior": pack.prior_kind,
        "pack": {"path": str(pack.path.absolute()), "hash": pack.hash},
    }
    (data / _SETTING).write_text(json.dumps(setting, indent=2) + "\n", encoding="utf-8")
    # As `pyfunc.save_model` would, which also asks for an example and looks for requirements.
    model = Model(signature=_signature(pack.input_shape))
    (out / "requirements.txt").write_text(f"tune-am=={__version__}\n", encoding="utf-8")
    pyfunc.add_to_model(model, loader_module=__name__, data=_DATA)
    model.save(str(out / "MLmodel"))


def _signature(shape: Sequence[int]) -> ModelSignature:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema, TensorSpec

    single = np.dtype(np.float32)
    made = [TensorSpec(single, (-1, *shape), _INPUTS), TensorSpec(single, (-1,), _ACTIVATIONS)]
    return ModelSignature(Schema([ColSpec("long", name) for name in _COLUMNS]), Schema(made))


def _load_pyfunc(path: str, model_config: Mapping[str, Any] | None = None) -> ExplanationModel:
    """What MLflow calls. Raises `UserError`."""
    data = Path(path)
    setting = json.loads((data / _SETTING).read_text(encoding="utf-8"))
    copied = data / _PACK
    source = copied if copied.exists() else Path(setting["pack"]["path"])
    trusted = bool((model_config or {}).get("trust_code", False))
    try:
        pack = Pack.load(source, chosen_device(), trusted, setting["prior"])
    except UserError as error:
        ours, theirs = option("trust_code", True), 'model_config={"trust_code": True}'
        raise UserError(str(error).replace(ours, theirs)) from None
    if pack.hash != setting["pack"]["hash"]:
        raise UserError(f"the pack {source} is not the one of this model: put that one there")
    return ExplanationModel(
        pack,
        beside(setting["neuron"], data),
        setting["direction"],
        Settings.from_dict(setting["settings"]),
        setting["step"],
    )


@dataclass(frozen=True, eq=False)
class ExplanationModel:
    """Activation maximisation at one setting, for so many steps."""

    pack: Pack
    neuron: str
    direction: str
    settings: Settings
    step: int

    def predict(self, model_input: DataFrame, params: Any = None) -> dict[str, np.ndarray]:
        """Examples from `number` starts, for each row of `model_input` in its turn.

        `seed` fixes the starts, by a stream of its own: a search's own seed does not give those of
        its trials, on which the setting was chosen.

        inputs: [n, *input_shape]; activations: [n], not finite where a start diverged.
        """
        made = [self._ascend(*row) for row in model_input[list(_COLUMNS)].itertuples(index=False)]
        inputs, activations = zip(*made, strict=True)
        return {_INPUTS: np.concatenate(inputs), _ACTIVATIONS: np.concatenate(activations)}

    def _ascend(self, number: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        if number < 1:
            raise UserError(f"number {number}: must be at least 1")
        if seed < 0:
            raise UserError(f"seed {seed}: must be 0 or more")
        ascent = Ascent(
            self.pack.prior,
            self.pack.classifier,
            self.pack.neuron(self.neuron),
            self.settings,
            starts=number,
            seed=fresh_seed(seed, NAME),
            direction=self.direction,
            device=self.pack.device,
        )
        ascent.advance(self.step)
        inputs = inputs_of(self.pack, ascent.kept_latents)
        return inputs.cpu().numpy(), ascent.kept_activations.cpu().numpy()
