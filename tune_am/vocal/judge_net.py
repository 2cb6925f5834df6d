"""The judge: a second singing detector, of another architecture, trained on songs of other acts.

No search, detector or generator learned from its songs. It is not independent of them all the same:
the shipped detector and judge also learned from the same speech of 100 speakers made to sing, some
of the judge's songs chose the detector's checkpoint, and its features chose the generator's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from tune_am.errors import UserError, reason
from tune_am.packs.device import device_of
from tune_am.vocal.nets import BATCH
from tune_am.whole import whole

# The judge that comes with the package, apart from the pack: a pack's own maker may have another.
SHIPPED = Path(__file__).parent / "judge.safetensors"


class Residual(nn.Module):
    """Two 3x3 convolutions and a way round them; the first may thin out bands and frames."""

    def __init__(self, inputs: int, outputs: int, stride: tuple[int, int]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.stride = stride
        self.around: nn.Module = nn.Identity()
        if inputs != outputs:
            self.around = nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm1(self.conv1(x)))
        shortcut = x if self.stride == (1, 1) else F.avg_pool2d(x, self.stride, ceil_mode=True)
        return F.relu(self.norm2(self.conv2(y)) + self.around(shortcut))


class Judge(nn.Module):
    """Residual 2-D network (He et al. 2016) whose features are averaged over bands and time.

    The detector it stands beside is a chain of valid convolutions into dense layers, which knows
    every place of the spectrogram apart; this one is the same at every pitch. Its average over
    time is weighted (the weights are learned), because the label is that of the centre frame.

    Buffers `mean`, `std`: [bands], standardise the input inside.
    """

    def __init__(self) -> None:
        super().__init__()
        channels, bands, frames = (16, 32, 64, 128), 80, 115
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.zeros(bands))
        self.register_buffer("std", torch.ones(bands))
        self.stem = nn.Conv2d(1, channels[0], 5, stride=2, padding=2, bias=False)
        self.norm = nn.BatchNorm2d(channels[0])
        # The last stage thins out bands only: a step in time is 8 frames, 0.11 s.
        strides = [(1, 1), (2, 2), (2, 2), (2, 1)]
        self.stages = nn.Sequential(
            *(
                Residual(inputs, outputs, stride)
                for inputs, outputs, stride in zip(
                    (channels[0], *channels), channels, strides, strict=False
                )
            )
        )
        steps = -(-frames // 8)
        self.when = nn.Parameter(torch.zeros(steps))
        self.dropout = nn.Dropout(0.3)
        self.out = nn.Linear(channels[-1], 1)

    def features(self, x: Tensor) -> Tensor:
        """Log-mel ``x: [n, bands, frames]`` -> what the last layer sees, ``[n, channels]``."""
        x = ((x - self.mean[:, None]) / self.std[:, None])[:, None]
        x = self.stages(F.relu(self.norm(self.stem(x))))
        return x.mean(dim=2) @ self.when.softmax(dim=0)

    def forward(self, x: Tensor) -> Tensor:
        """Log-mel ``x: [n, bands, frames]`` -> logit of singing at the centre frame ``[n]``."""
        return self.out(self.dropout(self.features(x))).squeeze(1)


@dataclass(frozen=True)
class Hearing:
    """What the judge hears in excerpts: `logits: [n]` and the `features: [n, channels]` behind."""

    logits: Tensor
    features: Tensor


@torch.inference_mode()
def hear(judge: Judge, excerpts: Tensor) -> Hearing:
    """Log-mel ``excerpts: [n, bands, frames]`` as `judge`, in evaluation mode, hears them.

    Computed where the judge is; what it hears is on the CPU.
    """
    device = device_of(judge)
    parts = [part.to(device, torch.float32) for part in excerpts.split(BATCH)]
    features = torch.cat([judge.features(part) for part in parts])
    return Hearing(judge.out(features).squeeze(1).cpu(), features.cpu())


def save_judge(judge: Judge, path: Path, facts: Mapping[str, Any]) -> None:
    """Writes the weights as float16 and `facts` beside them, whole or not at all."""
    tensors = {
        name: (t.half() if t.is_floating_point() else t).cpu().contiguous()
        for name, t in judge.state_dict().items()
    }
    line = json.dumps({"sha256": _digest(tensors), **facts})
    with whole(path) as partial:
        save_file(tensors, partial, metadata={"facts": line})


def judge_file(work: Path) -> Path:
    """The judge that was trained in the work folder, else the shipped one."""
    trained = work / "judge" / "judge.safetensors"
    return trained if trained.is_file() else SHIPPED


def load_judge(path: Path = SHIPPED) -> tuple[Judge, dict[str, Any]]:
    """The judge, frozen and in evaluation mode, and the facts about it.

    Raises:
        UserError: there is no such file, or it is damaged.
    """
    if not path.is_file():
        raise UserError(f"no judge in {path}: train it with 'python -m tune_am.vocal.train_judge'")
    judge = Judge()
    try:
        with safe_open(path, "pt") as file:
            facts = json.loads(file.metadata()["facts"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if facts["sha256"] != _digest(tensors):
            raise ValueError("its weights are not those that were saved")
        judge.load_state_dict(tensors)
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise UserError(f"{path} is no judge ({reason(error)}): get or train it again") from None
    fast = judge.to(memory_format=torch.channels_last)
    return fast.eval().requires_grad_(False), facts


def _digest(tensors: Mapping[str, Tensor]) -> str:
    """sha256 over names and values."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode() + tensors[name].contiguous().numpy().tobytes())
    return digest.hexdigest()
