"""The device that networks compute on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from rprloc.errors import DeviceError
from rprloc.networks.memory import keep_memory


def device_of(name: str) -> torch.device:
    """Return the device of a name, ready to compute; `auto` is the GPU where there is one.

    Raises DeviceError where `cuda` is asked for and there is none.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise DeviceError("--device: found no GPU that torch can use, expected one (profile gpu asks for it).")
    device = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)
    if device.type == "cuda":
        # By default its convolutions round float32 to ten bits of mantissa (TF32): tenths of a millimetre of 300.
        torch.backends.cudnn.allow_tf32 = False
    return device


def set_up_cpu(threads: int | None) -> None:
    """Limit torch to `threads` (None: all cores) and let the process keep the memory that tensors gave back.

    See `keep_memory`.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    keep_memory()


def bfloat16_is_fast(device: torch.device) -> bool:
    """Return whether the device multiplies bfloat16 natively; elsewhere autocast would only slow down."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return bool(torch.cpu.get_capabilities().get("avx512_bf16", False))


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute with one thread of the processor: many small steps take longer with several that wait."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
