"""SyN registration of a support to a query by ANTs, whole scans, with the defaults of its Python package."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import numpy as np
import SimpleITK as sitk

from rprloc.catalogue.rows import ANTS, absent
from rprloc.methods.images import MaskedImage, RegistrationError, quietly

_THREADS = "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"


def syn(support: MaskedImage, query: MaskedImage, *, seed: int) -> sitk.Transform:
    """Return the transform that takes points of the support to the query: a displacement field, then an affine.

    Symmetric normalisation (Avants et al., Medical Image Analysis 2008; package antspyx) from an affine registration of
    its own, both by mutual information, at the spacing of the scans. It keeps to one thread: with more its sums differ
    from run to run. Raises RegistrationError where the package is not installed or says nothing.
    """
    if find_spec(ANTS) is None:
        raise RegistrationError(absent("syn"))
    with tempfile.TemporaryDirectory() as folder, _one_thread(), quietly():
        import ants

        try:
            found = ants.registration(
                _image(ants, support.grey),
                _image(ants, query.grey),
                type_of_transform="SyN",
                outprefix=f"{folder}/",
                random_seed=seed % (1 << 31) + 1,  # 0 stands for none
            )
            warp, straight = found["fwdtransforms"]
            field = sitk.Cast(sitk.ReadImage(warp), sitk.sitkVectorFloat64)
            affine = sitk.ReadTransform(straight)
        except (RuntimeError, ValueError, KeyError) as error:
            if "memory" in str(error):  # no fault of the scans
                raise
            raise RegistrationError("the registration by ANTs stopped without a transform") from error
        return sitk.CompositeTransform([affine, sitk.DisplacementFieldTransform(field)])


def _image(ants: Any, image: sitk.Image) -> Any:
    """Return an image as the package has it."""
    values = np.ascontiguousarray(sitk.GetArrayViewFromImage(image).T, dtype=np.float32)
    direction = np.reshape(image.GetDirection(), (3, 3))
    return ants.from_numpy(values, origin=image.GetOrigin(), spacing=image.GetSpacing(), direction=direction)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Keep the package to one thread."""
    before = os.environ.get(_THREADS)
    os.environ[_THREADS] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_THREADS]
        else:
            os.environ[_THREADS] = before
