"""SyN registration of synthetic patients by ANTs, where it is installed, and what is said where it is not."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from rprloc.catalogue import method_named
from rprloc.methods import syn as module
from rprloc.methods.images import MaskedImage, RegistrationError, carried, coarser
from rprloc.methods.syn import syn
from tests.methods.cohort import located, search_of, write_cohort
from tests.methods.heads import LANDMARKS, image

installed = pytest.mark.skipif(find_spec("ants") is None, reason="antspyx is not installed: make syn")
SHIFT = np.array([7.0, -5.0, 4.0])


def small(one: MaskedImage) -> MaskedImage:
    """Return an image at 6 mm, of which a registration takes a second."""
    return MaskedImage(coarser(one.grey, 6.0), one.body)


@installed
def test_a_shift_is_followed_along_every_axis_and_alike_in_every_run(capfd: Any) -> None:
    support, query = small(image()), small(image(lambda p: p - SHIFT))
    moved = carried(syn(support, query, seed=1), LANDMARKS)
    np.testing.assert_allclose((moved - LANDMARKS).mean(axis=0), SHIFT, atol=1.5)
    np.testing.assert_array_equal(carried(syn(support, query, seed=1), LANDMARKS), moved)
    assert capfd.readouterr().out == "" and "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS" not in os.environ


@installed
def test_in_the_step_there_is_a_box_or_a_reason_and_no_affine_of_others(tmp_path: Path) -> None:
    asked = search_of(method_named("syn").family, "d", "a", methods={"syn": ("extreme",)})
    rows = located(write_cohort(tmp_path), asked)
    assert [(row.structure, row.method, row.support) for row in rows] == [
        ("organ", "syn", "a"), ("spot", "syn", "a"),
    ]  # fmt: skip
    assert all(row.failed == (row.box_mm is None) == (row.reason is not None) for row in rows)
    assert not rows[0].failed and rows[0].seconds["transform"] > 0


def test_the_field_comes_before_the_affine_and_an_image_keeps_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A stand-in for the package says what it is given and writes a field of 1 mm along x and an affine."""
    given: list[Any] = []

    def from_numpy(values: Any, **place: Any) -> Any:
        given.append((values.shape, values.flags.c_contiguous, place))
        return values

    def registration(fixed: Any, moving: Any, *, outprefix: str, **how: Any) -> dict[str, list[str]]:
        field = np.zeros((*fixed.shape[::-1], 3))
        field[..., 0] = 1.0
        warp, straight = f"{outprefix}1Warp.nii.gz", f"{outprefix}0GenericAffine.mat"
        vectors = sitk.GetImageFromArray(field, isVector=True)
        vectors.SetSpacing(given[0][2]["spacing"])
        vectors.SetOrigin(given[0][2]["origin"])
        sitk.WriteImage(vectors, warp)
        affine = sitk.AffineTransform(3)
        affine.Scale(2.0)
        sitk.WriteTransform(affine, straight)
        given.append(how)
        return {"fwdtransforms": [warp, straight]}

    ants = SimpleNamespace(from_numpy=from_numpy, registration=registration)
    monkeypatch.setitem(__import__("sys").modules, "ants", ants)
    monkeypatch.setattr(module, "find_spec", lambda _: object())
    support = image()
    transform = syn(support, support, seed=4)
    points = LANDMARKS[:2]
    np.testing.assert_allclose(carried(transform, points), 2 * (points + np.array([1, 0, 0])), atol=1e-3)
    (shape, contiguous, place), _, how = given
    assert (shape, contiguous) == (support.grey.GetSize(), True)
    assert (place["origin"], place["spacing"]) == (support.grey.GetOrigin(), support.grey.GetSpacing())
    assert how == {"type_of_transform": "SyN", "random_seed": 5}

    def stopped(*_: Any, **__: Any) -> Any:
        raise RuntimeError("Registration failed")

    ants.registration = stopped
    with pytest.raises(RegistrationError, match="by ANTs stopped without a transform"):
        syn(support, support, seed=4)


def test_without_the_package_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    with pytest.raises(RegistrationError, match="syn needs a package that is not installed: get it by 'make syn'"):
        syn(image(), image(), seed=1)
