"""What a program has put where a scanner measured nothing: NaN, and blocks of one value at the border of the field."""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from rprloc.scans.body import Mask
from rprloc.scans.modality import TISSUE_HU
from rprloc.scans.volume import AIR_HU, image_like

PADDING_HU = 3000
"""A constant block from here up at the border of the field is padding: metal does not lie there."""
_BORDER_PART = 0.01
"""Part of the border's voxels that padding covers at least."""
_BLOCK_PART = 0.05
"""Part of the border that one value covers where it is a background that a program has written."""
_BLOCK_GAP = 0.25
"""Of the range of an MR's other values: how far above or below them a background lies."""
_BLOCK_DARK = 0.1
"""Of that range: what is darker is an MR's own background."""
_NO_AIR_HU = -1100
"""What lies below is no air that a CT has measured."""
_SPECKS = 1e-4
"""Part of all NaN that may lie in tissue and is air as well: the darkest voxels of pockets of air."""
_MOST_NAN, _DARK = 0.5, 0.02
"""Part of all NaN that reaches the border where whatever is dark was made NaN; no number is then darker than TISSUE_HU,
or in an MR than this part of the bright.
"""
_STORED_AIR_PART, _STORED_TISSUE_PART = 0.02, 0.3
"""Of values stored with air at 0, at least the part is air, and of the others at least the part is soft tissue; a part
of a body without air has neither.
"""
_STORED_AIR_TOP, _STORED_TISSUE = 300, (850, 1200)
"""What is air there, below, and what is soft tissue, between."""

Mended = tuple[sitk.Image, tuple[str, ...]]
"""A scan, and a sentence for each thing found, "what: done"."""


def without_nan(image: sitk.Image, values: NDArray[Any], modality: str) -> Mended:
    """Replace NaN that reaches the border, or that touches a CT's air, by air; where nothing dark is left, all of it.
    Any other is left, to be refused.
    """
    if not np.issubdtype(values.dtype, np.floating) or not np.isnan(values.min()):
        return image, ()
    unknown = np.isnan(values)
    if unknown.all():
        return image, ()
    parts, outside = _parts(unknown)
    count, total = len(outside) - 1, int(np.count_nonzero(unknown))
    known = values[~unknown]
    around = int(np.count_nonzero(outside[parts]))
    if modality == "ct":
        beside = np.where(unknown, 0, ndimage.grey_dilation(parts, footprint=ndimage.generate_binary_structure(3, 1)))
        outside |= np.append(0, ndimage.minimum(np.nan_to_num(values), beside, np.arange(1, count + 1))) < TISSUE_HU
    left = total - int(np.count_nonzero(outside[parts]))
    if left < _SPECKS * total or (around >= _MOST_NAN * total and not _is_dark(known.min(), known, modality)):
        outside[1:] = True
    number = int(np.count_nonzero(outside[parts]))
    if not number:
        return image, ()
    air = known.min()
    if modality == "ct" and air >= TISSUE_HU and not looks_stored(known):
        air = AIR_HU
    filled = np.where(outside[parts], values.dtype.type(air), values)
    return image_like(image, filled), (f"{number:,} voxels are NaN: read as air",)


def _is_dark(value: float, known: NDArray[Any], modality: str) -> bool:
    """Tell whether a value is as dark as what lies around a patient, beside others of the scan."""
    if modality == "ct":
        return value < TISSUE_HU
    return value <= _DARK * float(np.percentile(known, 99))


def without_blocks(image: sitk.Image, values: NDArray[Any], modality: str) -> Mended:
    """Replace blocks of one value at the field's border by the darkest, where the scan's own background is another."""
    said = []
    for block in _blocks(values):
        own = values[values != block]
        if not own.size or not np.isfinite(own.min()):
            continue
        there = _filling(values, own, block, modality)
        if there is not None:
            values = np.where(there, values.dtype.type(own.min()), values)
            said.append(f"the border of the field is filled with {block:.6g}, of one value: read as air")
    return (image_like(image, values), tuple(said)) if said else (image, ())


def without_bright(image: sitk.Image, values: NDArray[Any]) -> Mended:
    """Replace a block of a CT's highest value at the field's border by air, where no tissue is that bright."""
    high = values.max()
    if not high >= PADDING_HU or (_border(values) == high).mean() < _BORDER_PART:
        return image, ()
    rest = np.where(values == high, values.min(), values)
    # Padding in a scan stored with air at 0 becomes that scan's air.
    air = AIR_HU if rest.min() < TISSUE_HU else rest.min()
    rest[values == high] = air
    return image_like(image, rest), (
        f"the border of the field is filled with {high:.6g}, which no tissue has: read as air",
    )


def looks_stored(values: NDArray[Any]) -> bool:
    """Tell whether values look like HU to which something was added so that air is 0."""
    air = float(np.mean(values < _STORED_AIR_TOP))
    low, high = _STORED_TISSUE
    tissue = float(np.mean((values >= low) & (values < high)))
    return air >= _STORED_AIR_PART and tissue >= _STORED_TISSUE_PART * (1 - air) > 0


def _blocks(values: NDArray[Any]) -> list[float]:
    """Return the values that may be a program's: the commonest of the border, and those of which whole faces of the
    field are; the farthest from the border's others first.
    """
    border = _border(values)
    found, counts = np.unique(border, return_counts=True)
    commonest = counts.argmax()
    chosen = {float(found[commonest])} if counts[commonest] >= _BLOCK_PART * border.size else set()
    faces = (np.take(values, end, axis) for axis in range(3) for end in (0, -1))
    chosen |= {float(face.flat[0]) for face in faces if face.min() == face.max()}
    middle = float(np.median(border))
    return sorted(chosen, key=lambda block: -abs(block - middle))


def _filling(values: NDArray[Any], own: NDArray[Any], block: float, modality: str) -> Mask | None:
    """Return the voxels that a program has filled with a value, of all of which some have others; None where it is the
    scan's own background or tissue.
    """
    low, high = float(own.min()), float(own.max())
    dark = low + _BLOCK_DARK * (high - low)
    if modality == "ct":
        beyond = block < _NO_AIR_HU and low >= TISSUE_HU and looks_stored(own)
        inside = TISSUE_HU <= block < PADDING_HU and low < block
    else:
        aside = (block < 0 <= low) or block > high
        beyond = aside and max(low - block, block - high) > _BLOCK_GAP * (high - low)
        # Around an image that was inverted it is as bright, and nothing at the border is dark.
        inside = dark < block and (
            block < high or float(np.mean(_border(_unpadded(values, block)) < dark)) >= _BLOCK_PART
        )
    if not (beyond or inside):
        return None
    there = values == block
    if beyond:
        # Far from all others it is nothing else inside either.
        return np.asarray(there)
    parts, outside = _parts(there)
    return np.asarray(outside[parts])


def _unpadded(values: NDArray[Any], block: float) -> NDArray[Any]:
    """Return a field (z, y, x) without the planes at its faces that have one value throughout."""
    inside = []
    for axis in range(3):
        own = (np.moveaxis(values, axis, 0) == block).all(axis=(1, 2))
        inside.append(slice(int(np.argmin(own)), len(own) - int(np.argmin(own[::-1]))))
    return values[tuple(inside)]


def _parts(mask: Mask) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return the connected parts of a mask (z, y, x), numbered from 1, and by number which reach the border."""
    parts, count = ndimage.label(mask)
    outside = np.zeros(count + 1, dtype=np.bool_)
    for axis in range(3):
        outside[np.unique(np.take(parts, (0, -1), axis))] = True
    outside[0] = False
    return parts, outside


def _border(values: NDArray[Any]) -> NDArray[Any]:
    """Return the values (n,) at the border of a field (z, y, x), those of its edges more than once."""
    return np.concatenate([np.take(values, (0, -1), axis).ravel() for axis in range(3)])
