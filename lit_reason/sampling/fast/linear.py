"""A linear map with its weight laid out for the processor once, where that is possible."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor
from torch.nn import functional


class Linear:
    """x W^T + b, for W [d_out, d_in] and b [d_out] or None.

    On CPUs that multiply bfloat16, a plain product lays its weight out anew every time, a fifth to a half of the time
    it takes for 64 to 256 rows. Laid out once it is a copy; everywhere else `weight` itself is multiplied by.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self._bias = bias
        self._is_packed = weight.device.type == "cpu" and weight.dtype == torch.bfloat16 and _can_pack()
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight) if self._is_packed else weight

    def __call__(self, x: Tensor) -> Tensor:
        """[N, d_in] -> [N, d_out]."""
        if self._is_packed:
            return torch.ops.mkldnn._linear_pointwise(x, self._weight, self._bias, "none", [], "")
        return functional.linear(x, self._weight, self._bias)


@cache
def _can_pack() -> bool:
    """Whether the operators that compiled models use for this are there; they are not part of torch's public face."""
    names = ("_reorder_linear_weight", "_linear_pointwise", "_is_mkldnn_bf16_supported")
    if not torch.backends.mkldnn.is_available() or not all(hasattr(torch.ops.mkldnn, name) for name in names):
        return False
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
