"""What the libraries say while DICOM is read."""

from __future__ import annotations

import logging
import warnings

import pytest

from rprloc.scans.dicom.quiet import quiet


def test_nothing_is_said_within_and_all_is_after_it(caplog: pytest.LogCaptureFixture) -> None:
    def say() -> None:
        logging.getLogger("pydicom").warning("Nobody^Here")
        logging.getLogger("pydicom.pixels").error("Nobody^Here")
        warnings.warn("Nobody^Here", UserWarning, stacklevel=1)

    with pytest.raises(KeyError), quiet():
        say()
        raise KeyError
    assert not caplog.records
    with pytest.warns(UserWarning, match="Nobody"):
        say()
    assert len(caplog.records) == 2
