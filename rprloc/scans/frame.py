"""Where a file's voxels lie, by one rule for images and labels (docs/reference/sheet.md tells it).

A NIfTI header may say it twice, by its sform and by its qform, each with a code that says whether it counts; it may say
it not at all, or in other units. What was decided where it was not plain is said as a finding.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from rprloc.errors import InputError
from rprloc.geometry import FloatArray, box_of_points
from rprloc.scans.nib import nibabel
from rprloc.scans.nifti import listed

if TYPE_CHECKING:
    import nibabel

SAME_VOXELS = 0.1
"""Two places of a scan are one where no voxel moves by more than this part of itself."""
_STRAIGHT = 1e-3
"""Cosine between two axes up to which they count as orthogonal: headers keep six digits or more."""
_FLAT = 1e-3
"""Axes whose parallelepiped has less than this part of the volume of a straight one span nothing."""
_SAME_SPACING = 0.01
"""Part by which a pixdim differs from the lengths of an sform's columns, by rounding or by a little shear."""
_MM = {"meter": 1000.0, "micron": 0.001}
"""Of NIfTI's units that are no millimetres."""
_TO_LPS = np.diag([-1.0, -1.0, 1.0])
UNKNOWN = "its header does not say how the patient lies (orientation unknown): positions are in the file's own frame"


@dataclass(frozen=True)
class Frame:
    """Where voxels lie: voxel (i, j, k) at axes @ (i, j, k) + origin, LPS mm."""

    axes_mm: FloatArray
    """(3, 3), columns are the ways to the next voxel along i, j, k."""
    origin_mm: FloatArray
    """(3,)."""
    findings: tuple[str, ...] = ()
    """What was guessed or doubted."""
    oriented: bool = True
    """Whether the file says how the patient lies."""

    @classmethod
    def of(cls, image: Any) -> Frame:
        """Return the frame that ITK gives an image or the header that its reader has read."""
        direction = np.asarray(image.GetDirection(), dtype=np.float64).reshape(3, 3)
        return cls(direction * np.asarray(image.GetSpacing()), np.asarray(image.GetOrigin(), dtype=np.float64))

    @property
    def spacing_mm(self) -> FloatArray:
        """The lengths (3,) of the ways to the next voxel."""
        return np.asarray(np.linalg.norm(self.axes_mm, axis=0))

    @property
    def direction(self) -> FloatArray:
        """The directions (3, 3) of i, j, k in columns; no rotation where the axes are sheared."""
        lengths = self.spacing_mm
        return np.asarray(self.axes_mm / np.where(lengths > 0, lengths, 1))

    def world(self, index: FloatArray) -> FloatArray:
        """Return the places (..., 3) in mm of voxels (..., 3), (i, j, k)."""
        return np.asarray(index @ self.axes_mm.T + self.origin_mm)

    def voxel(self, points_mm: FloatArray) -> FloatArray:
        """Return the fractional voxels (..., 3), (i, j, k), at places (..., 3) in mm."""
        return np.asarray((points_mm - self.origin_mm) @ np.linalg.inv(self.axes_mm).T)

    def agrees(self, other: Frame, size: Sequence[int]) -> bool:
        """Tell whether no voxel of an image of a size (i, j, k) lies elsewhere by another frame."""
        corners = corners_of(size)
        return bool(np.abs(self.voxel(other.world(corners)) - corners).max() <= SAME_VOXELS)

    def field_mm(self, size: Sequence[int]) -> FloatArray:
        """Return the box (2, 3) along the LPS axes around all voxels of an image of a size (i, j, k)."""
        return box_of_points(self.world(corners_of([n + 1 for n in size]) - 0.5))

    def lay(self, image: sitk.Image) -> None:
        """Give an image this frame."""
        image.SetSpacing(self.spacing_mm.tolist())
        image.SetOrigin(self.origin_mm.tolist())
        image.SetDirection(self.direction.ravel().tolist())


def corners_of(size: Sequence[int]) -> FloatArray:
    """Return the corner voxels (8, 3), (i, j, k), of an image."""
    return np.array(list(itertools.product(*[(0, n - 1) for n in size])), dtype=np.float64)


def checked(frame: Frame, size: Sequence[int], name: str) -> Frame:
    """Return a frame with what is to be said of its axes; raises InputError where they span no volume.

    Axes that are sheared by less than SAME_VOXELS over an image of a size (i, j, k) are rounded ones.
    """
    if not abs(np.linalg.det(frame.direction)) > _FLAT:
        columns = np.round(frame.direction.T, 4).tolist()
        raise InputError(f"{name}: found axes that span no volume, {columns}, expected three directions.")
    if (angle := _shear_degrees(frame)) <= np.degrees(_STRAIGHT) or frame.agrees(_straightened(frame, size), size):
        return frame
    said = f"its axes are sheared by {angle:.1f} degrees (gantry tilt): resampled by the true affine"
    return replace(frame, findings=(*frame.findings, said))


def nifti_frame(header: nibabel.Nifti1Header, size: Sequence[int], name: str, *, by_itk: Frame | None) -> Frame:
    """Return where the voxels (i, j, k) of a NIfTI file lie; raises InputError where its header says nothing possible.

    The sform counts where its code is not 0, else the qform, else nothing says how the patient lies. `by_itk` is ITK's
    opinion, if it has one, whose digits are kept where it is no other place.
    """
    factor = _MM.get(_unit(header), 1.0)
    sform, qform = (_lps(form, factor) for form in (_sform(header), _qform(header)))
    chosen = sform or qform
    if chosen is None:
        if not _possible(spacing := _spacing(header)):
            raise InputError(f"{name}: found a spacing of {listed(spacing)} mm, expected three positive numbers.")
        if int(header["sform_code"]) > 0 or int(header["qform_code"]) > 0:
            raise InputError(f"{name}: found an sform or qform that takes voxels to no place, expected three axes.")
        return replace(by_itk or Frame(np.diag(spacing) * factor, np.zeros(3)), findings=(UNKNOWN,), oriented=False)
    said: tuple[str, ...] = ()
    if sform is not None and qform is not None and not sform.agrees(qform, size):
        said = (_apart(sform, qform, size),)
    elif sform is None:
        said = _odd_qform(header)
    elif qform is None:
        said = _odd_sform(header)
    if by_itk is not None and chosen.agrees(by_itk, size):
        chosen = by_itk
    return checked(replace(chosen, findings=said), size, name)


def _odd_qform(header: nibabel.Nifti1Header) -> tuple[str, ...]:
    """Return what is to be said of a qform that is taken alone."""
    said: tuple[str, ...] = ()
    if int(header["sform_code"]) > 0:
        said += ("its sform takes voxels to no place: the qform is taken",)
    if abs(float(header["pixdim"][0])) != 1:
        said += (
            f"its qfac (pixdim[0]) is {float(header['pixdim'][0]):g}: taken for {_qfac(header)}, as the standard says",
        )
    return said


def _qfac(header: nibabel.Nifti1Header) -> int:
    """Return the hand of a qform's axes: -1 or, by the standard, whatever else stands there, 1."""
    return -1 if header["pixdim"][0] < 0 else 1


def _odd_sform(header: nibabel.Nifti1Header) -> tuple[str, ...]:
    """Return what is to be said of an sform without a qform: it is what arrays get that are saved without their header,
    or the spacing beside it is another one.
    """
    form = np.asarray(header.get_sform(), dtype=np.float64)
    if np.array_equal(form, np.eye(4)):
        return (
            "its sform is the identity, as of an array that was saved without its header; size and sides may be wrong",
        )
    own, spacing = np.linalg.norm(form[:3, :3], axis=0), _spacing(header)
    if not _possible(spacing) or (spacing == 1).all() or np.abs(spacing / own - 1).max() <= _SAME_SPACING:
        return ()
    return (
        f"its pixdim says {listed(spacing)} mm and its sform {listed(own)} mm: "
        "the sform is taken, as nibabel and FSL do",
    )


def _unit(header: nibabel.Nifti1Header) -> str:
    """Return the unit of lengths; an unknown code is none."""
    try:
        return str(header.get_xyzt_units()[0])
    except KeyError:
        return "unknown"


def _sform(header: nibabel.Nifti1Header) -> FloatArray | None:
    """Return the sform (4, 4), RAS, None where it does not count or takes voxels to no place."""
    form = None if int(header["sform_code"]) <= 0 else np.asarray(header.get_sform(), dtype=np.float64)
    return form if form is not None and _whole(form) else None


def _qform(header: nibabel.Nifti1Header) -> FloatArray | None:
    """Return the qform (4, 4), RAS, None where it does not count or its numbers are impossible."""
    if int(header["qform_code"]) <= 0 or not _possible(_spacing(header)):
        return None
    from nibabel.spatialimages import HeaderDataError

    known = header.copy()
    # Many programs write 0.
    known["pixdim"][0] = _qfac(header)
    try:
        form = np.asarray(known.get_qform(), dtype=np.float64)
    except (ValueError, HeaderDataError):
        return None
    return form if _whole(form) else None


def _whole(form: FloatArray) -> bool:
    """Tell whether a form (4, 4) takes voxels to places."""
    lengths = np.linalg.norm(form[:3, :3], axis=0)
    return bool(np.isfinite(form).all() and (lengths > 0).all() and abs(np.linalg.det(form[:3, :3] / lengths)) > _FLAT)


def _lps(form: FloatArray | None, factor: float) -> Frame | None:
    """Return the frame of a form (4, 4) in RAS and units of `factor` mm."""
    return None if form is None else Frame(_TO_LPS @ form[:3, :3] * factor, _TO_LPS @ form[:3, 3] * factor)


def _spacing(header: nibabel.Nifti1Header) -> FloatArray:
    """Return a header's spacing (3,), as it stands there."""
    return np.asarray(header["pixdim"][1:4], dtype=np.float64)


def _possible(spacing: FloatArray) -> bool:
    """Tell whether a spacing (3,) is of positive numbers."""
    return bool(np.isfinite(spacing).all() and (spacing > 0).all())


def _apart(sform: Frame, qform: Frame, size: Sequence[int]) -> str:
    """Return what is to be said where a header names two places."""
    corners = corners_of(size)
    distances = np.linalg.norm(qform.world(corners) - sform.world(corners), axis=1)
    # The first voxel, unless the forms part elsewhere.
    number = int(np.argmax(distances > distances.max() * 0.99))
    which = "first voxel" if number == 0 else f"voxel ({', '.join(f'{index:.0f}' for index in corners[number])})"
    first, second = (f"({', '.join(f'{mm:.1f}' for mm in form.world(corners[number]))})" for form in (sform, qform))
    return (
        f"its sform and its qform lie up to {distances.max():.1f} mm apart, {which} at {first} and {second} mm (LPS): "
        "the sform is taken, as nibabel and FSL do"
    )


def _shear_degrees(frame: Frame) -> float:
    """Return the largest angle by which two axes of a frame are not at right angles."""
    cosines = np.abs(frame.direction.T @ frame.direction - np.eye(3))
    return float(np.degrees(np.arcsin(np.clip(cosines.max(), 0, 1))))


def _straightened(frame: Frame, size: Sequence[int]) -> Frame:
    """Return the frame of the nearest axes at right angles, about the middle of an image of a size (i, j, k)."""
    left, _, right = np.linalg.svd(frame.direction)
    axes = left @ right * frame.spacing_mm
    middle = (np.asarray(size, dtype=np.float64) - 1) / 2
    return Frame(axes, frame.world(middle) - axes @ middle)
