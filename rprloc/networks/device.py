"""The device that networks compute on."""

from __future__ import annotations

import torch

from rprloc.errors import InputError


def device_of(name: str) -> torch.device:
    """Return the device of a name; `auto` is the GPU where there is one.

    Raises InputError where `cuda` is asked for and there is none.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("--device: found no GPU that torch can use, expected one (profile gpu asks for it).")
    return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)
