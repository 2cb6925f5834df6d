"""A network laid out so that gradients with respect to its input are fast on a CPU."""

from __future__ import annotations

from copy import deepcopy
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tune_am.packs.outputs import tensors_of


def laid_out(network: nn.Module, example: Tensor | None = None) -> nn.Module:
    """A copy of `network` that computes the same, up to round-off, in less time on a CPU.

    With an `example` [at least 2, *input_shape] it is tried, and `network` itself returned where
    the layout does not suit it: a `view` of somebody's own forward takes tensors of one layout. So
    is one that cannot be copied.

    Channels last, for which PyTorch's convolutions are about twice as fast here; and convolutions
    of a single channel, an input layer's, with a gradient of their own (`_SingleChannel`).
    """
    try:
        copy = deepcopy(network)
    except Exception:  # of whatever somebody's network holds, such as a lock or an open file
        return network
    for tensor in chain(copy.parameters(), copy.buffers()):
        if tensor.dim() == 4:  # weights of 3-D convolutions have another such format
            # Cloned: of a single channel both formats are the same memory, and `contiguous` leaves
            # the strides alone. Its convolution would give channels first, to be laid out again.
            tensor.data = tensor.data.clone(memory_format=torch.channels_last)
    for module in copy.modules():
        if type(module) is nn.Conv2d and _is_plain(module):
            module.__class__ = _SingleChannelConv2d
    return copy if example is None or _runs(copy, example) else network


@torch.enable_grad()
def _runs(network: nn.Module, example: Tensor) -> bool:
    """Whether it runs, forth and back: autocast, for one, changes types on the way back."""
    x = example.clone().requires_grad_()
    try:
        outputs = [o for o in tensors_of(network(x.clone())) if o.is_floating_point()]
        if able := [output.sum() for output in outputs if output.requires_grad]:
            torch.autograd.grad(able, x, allow_unused=True)
    except RuntimeError:
        return False
    return True


def _is_plain(conv: nn.Conv2d) -> bool:
    """Whether `conv` slides over one channel, without stride, dilation or padding."""
    plain = conv.stride == (1, 1) and conv.dilation == (1, 1) and conv.padding == (0, 0)
    return conv.in_channels == 1 and plain


class _SingleChannelConv2d(nn.Conv2d):
    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = _SingleChannel.apply(input, self.weight, self.bias)
        return output


class _SingleChannel(torch.autograd.Function):
    """Convolution of one channel whose gradient with respect to the input is one matrix product.

    The library's gradient convolves back as if there were many channels: three times slower, and a
    tenth of a whole step of the published classifier. The weights get no gradient: they are frozen.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.size = x.shape[-2:]
        return F.conv2d(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (weight,) = ctx.saved_tensors
        n, channels, height, width = gradients[0].shape
        # Each output position's gradient, spread over the patch of inputs it was computed from.
        positions = gradients[0].permute(0, 2, 3, 1).reshape(-1, channels)
        patches = (positions @ weight.flatten(1)).view(n, height * width, -1)
        return F.fold(patches.transpose(1, 2), ctx.size, weight.shape[-2:]), None, None
