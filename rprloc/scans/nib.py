"""nibabel without pydicom, which it loads where there is one for extensions of NIfTI that nobody asks for here.

Every step of a run reads NIfTI, few read DICOM: pydicom and its decoders would be half of what nibabel takes to load.
"""

from __future__ import annotations

import sys

_ABSENT = "nibabel" not in sys.modules and "pydicom" not in sys.modules
if _ABSENT:
    # What Python takes for a package that is not there.
    sys.modules["pydicom"] = None  # type: ignore[assignment]
try:
    import nibabel
finally:
    if _ABSENT:
        del sys.modules["pydicom"]

__all__ = ["nibabel"]
