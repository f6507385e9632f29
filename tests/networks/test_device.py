"""The device that networks compute on."""

from __future__ import annotations

import pytest
import torch

from rprloc.errors import DeviceError
from rprloc.networks.device import bfloat16_is_fast, device_of, one_thread, set_up_cpu


def test_mistake_11_a_cpu_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device_of("cpu") == device_of("auto") == torch.device("cpu")
    with pytest.raises(DeviceError, match="found no GPU that torch can use"):
        device_of("cuda")


def test_one_thread_computes_and_then_as_many_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    # The C library's habits with memory would stay for all tests.
    monkeypatch.setattr("sys.platform", "other")
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    with pytest.raises(KeyError), one_thread():
        assert torch.get_num_threads() == 1
        raise KeyError
    assert torch.get_num_threads() == 2
    set_up_cpu(None)
    assert torch.get_num_threads() == 2
    set_up_cpu(before)
    assert torch.get_num_threads() == before


def test_bfloat16_is_fast_where_the_processor_multiplies_it() -> None:
    assert isinstance(bfloat16_is_fast(torch.device("cpu")), bool)
