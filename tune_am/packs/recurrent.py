"""Recurrent layers, of which cuDNN computes no gradient in evaluation mode."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn

from tune_am.packs.graph import Graph

# Operations of ATen that cuDNN runs for them.
_OPERATIONS = ("aten.lstm.", "aten.gru.", "aten.rnn_tanh.", "aten.rnn_relu.")


def is_recurrent(network: nn.Module) -> bool:
    """Whether there is an LSTM, GRU or RNN in it, as a module or as a graph's operation."""
    return any(
        isinstance(module, nn.RNNBase)
        or (isinstance(module, Graph) and module.has_operation(_OPERATIONS))
        for module in network.modules()
    )


def differentiable(recurrent: bool) -> AbstractContextManager[None]:
    """Within, a network in evaluation mode has a gradient on a GPU too, also where it is recurrent:
    without cuDNN, which other networks are faster with."""
    return torch.backends.cudnn.flags(enabled=False) if recurrent else nullcontext()
