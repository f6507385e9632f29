"""Silence of the libraries that read DICOM: what they say and log of a header may be a patient's name."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_LOG = logging.getLogger("pydicom")


@contextmanager
def quiet() -> Iterator[None]:
    """Pass over the warnings and the log of pydicom, and of what rests on it."""
    before = _LOG.level
    _LOG.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        _LOG.setLevel(before)
