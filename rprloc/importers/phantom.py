"""Generate a phantom CT cohort whose landmarks are known exactly, for tests and first steps.

Every patient is one smooth anatomy, given as HU by position in millimetres, under a random affine map: shift, scale
and a small rotation. A scan samples it on a grid of its own spacing, orientation and field of view. Landmarks follow
from the map alone, so that nothing that reads images is needed to know them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from rprloc.files import whole_file, write_json, write_text
from rprloc.geometry import WALLS

Array = NDArray[np.float64]

AIR = -1000.0


@dataclass(frozen=True)
class Ellipsoid:
    """An ellipsoid with axes along x, y, z: centre and half-axes in mm of the anatomy, and its HU."""

    centre: tuple[float, float, float]
    radii: tuple[float, float, float]
    hu: float


STRUCTURES = {
    "heart": Ellipsoid((12.0, -22.0, 48.0), (27.0, 23.0, 26.0), 130.0),
    "kidney_left": Ellipsoid((42.0, 26.0, -36.0), (16.0, 15.0, 29.0), 170.0),
    "kidney_right": Ellipsoid((-43.0, 26.0, -47.0), (16.0, 15.0, 29.0), 170.0),
}
"""Label values are 1, 2, 3 in this order."""

_LUNGS = (
    Ellipsoid((46.0, 2.0, 66.0), (30.0, 48.0, 62.0), -820.0),
    Ellipsoid((-48.0, 2.0, 66.0), (32.0, 48.0, 60.0), -820.0),
)
_ORGANS = (
    Ellipsoid((-44.0, -14.0, -4.0), (40.0, 38.0, 26.0), 100.0),  # liver
    Ellipsoid((48.0, 8.0, 2.0), (17.0, 26.0, 18.0), 80.0),  # spleen
    Ellipsoid((20.0, -38.0, -12.0), (26.0, 16.0, 16.0), -300.0),  # stomach with gas
    Ellipsoid((0.0, -30.0, -118.0), (30.0, 26.0, 24.0), 10.0),  # bladder
    Ellipsoid((58.0, 14.0, -108.0), (22.0, 30.0, 32.0), 600.0),  # pelvis
    Ellipsoid((-58.0, 14.0, -108.0), (22.0, 30.0, 32.0), 600.0),
)
_ORIENTATIONS = (
    ((1, 0, 0), (0, 1, 0), (0, 0, 1)),  # LPS
    ((-1, 0, 0), (0, -1, 0), (0, 0, 1)),  # RAS
    ((1, 0, 0), (0, 1, 0), (0, 0, -1)),  # slices from the head down
    ((0, 1, 0), (0, 0, -1), (1, 0, 0)),  # sagittal slices
    ((1, 0, 0), (0, 0, -1), (0, 1, 0)),  # coronal slices
)
"""World axes (x, y, z) that the image axes i, j, k follow, and their signs: one row an image axis."""


@dataclass(frozen=True)
class PhantomPatient:
    """One patient: world = matrix @ anatomy + shift (LPS mm), and the grid on which the scan samples it.

    spacing_mm, size: along i, j, k. direction: columns are the world directions of i, j, k. centre_mm: world point in
    the middle of the grid.
    """

    matrix: Array
    shift: Array
    spacing_mm: Array
    size: tuple[int, int, int]
    direction: Array
    centre_mm: Array


class TrueLandmarks(msgspec.Struct, frozen=True):
    """Where a structure lies exactly, in LPS mm."""

    box_mm: list[list[float]]
    """The lowest and the highest corner."""
    extreme_mm: Mapping[str, list[float]]
    """By wall."""


def write_phantom(
    folder: Path | str, *, seed: int = 1, n_train: int = 12, n_validation: int = 2, n_test: int = 3
) -> Path:
    """Write a phantom cohort: images/, labels/, samples.csv and landmarks.json; returns the sheet's path.

    Only supports (validation) and queries (test) get a label, of the structures heart 1, kidney_left 2 and
    kidney_right 3 (settings: assets/cohorts/phantom.yml). landmarks.json has by subject and structure what
    `landmarks_of` returns. A subject's scan depends on the seed and on its name alone, so that a
    larger cohort holds the smaller one's scans.
    """
    folder = Path(folder)
    counts = {"train": n_train, "validation": n_validation, "test": n_test}
    lines = ["subject,image,label,split,cohort"]
    landmarks: dict[str, dict[str, TrueLandmarks]] = {}
    for split, number in [(split, n) for split, count in counts.items() for n in range(1, count + 1)]:
        subject = f"{split}_{number:02d}"
        random = subject_random(seed, subject)
        patient = draw_patient(random, oblique=number % 3 == 2)
        ending = {"train_03": ".mha", "validation_02": ".nrrd"}.get(subject, ".nii.gz")
        image, label = f"images/{subject}{ending}", "" if split == "train" else f"labels/{subject}{ending}"
        for name, scan in zip((image, label), draw_scan(patient, random), strict=True):
            if name:
                _write(scan, folder / name)
        lines.append(f"{subject},{image},{label},{split},phantom")
        landmarks[subject] = landmarks_of(patient)
    write_json(folder / "landmarks.json", msgspec.to_builtins(landmarks))
    write_text(folder / "samples.csv", "\n".join(lines) + "\n")
    return folder / "samples.csv"


def _write(image: sitk.Image, path: Path) -> None:
    """Write an image, whole."""
    with whole_file(path) as temporary:
        sitk.WriteImage(image, str(temporary), useCompression=True)


def subject_random(seed: int, subject: str) -> np.random.Generator:
    """Return the random generator of one subject."""
    digest = hashlib.sha256(subject.encode()).digest()
    return np.random.default_rng([seed, *digest[:8]])


def draw_patient(random: np.random.Generator, *, oblique: bool = False) -> PhantomPatient:
    """Draw a patient: size 0.85 to 1.15 and turn up to 5 degrees per axis, place, and the scanner's grid."""
    scale = random.uniform(0.85, 1.15) * random.uniform(0.93, 1.07, 3)
    turn = Rotation.from_euler("xyz", random.uniform(-5, 5, 3), degrees=True).as_matrix()
    matrix = turn @ np.diag(np.clip(scale, 0.85, 1.15))
    shift = random.uniform(-1, 1, 3) * np.array([35.0, 35.0, 45.0])
    rows = np.array(_ORIENTATIONS[random.integers(len(_ORIENTATIONS))], dtype=np.float64)
    axis = np.abs(rows).argmax(axis=1)
    spacing = np.array([random.uniform(3.2, 4.0)] * 2 + [random.uniform(3.0, 4.2)])[axis]
    # The field of view, x, y, z: all of the body's width, and a stretch of it that holds all structures.
    extent = np.array([258.0, 206.0, random.uniform(236.0, 262.0)])[axis]
    size = np.ceil(extent / spacing).astype(int)
    tilt = Rotation.from_euler("xyz", random.uniform(-6, 6, 3), degrees=True).as_matrix() if oblique else np.eye(3)
    # The middle of the field of view, in the world: not quite the patient's middle.
    centre = shift + random.uniform(-1, 1, 3) * np.array([6.0, 6.0, 22.0])
    return PhantomPatient(
        matrix=matrix,
        shift=shift,
        spacing_mm=spacing,
        size=(int(size[0]), int(size[1]), int(size[2])),
        direction=tilt @ rows.T,
        centre_mm=centre,
    )


def landmarks_of(patient: PhantomPatient) -> dict[str, TrueLandmarks]:
    """Return each structure's exact landmarks.

    An ellipsoid |D^-1 (u - c)| <= 1 under world = A u + t reaches farthest along axis e at
    A c + t +- A D (A D)^T e / |(A D)^T e|.
    """
    found: dict[str, TrueLandmarks] = {}
    for name, organ in STRUCTURES.items():
        centre = patient.matrix @ np.array(organ.centre) + patient.shift
        shape = patient.matrix @ np.diag(organ.radii)
        reach = np.linalg.norm(shape, axis=1)
        points: dict[str, list[float]] = {}
        for number, wall in enumerate(WALLS):
            axis, sign = number // 2, (-1, 1)[number % 2]
            points[wall] = (centre + sign * shape @ shape[axis] / reach[axis]).tolist()
        found[name] = TrueLandmarks([(centre - reach).tolist(), (centre + reach).tolist()], points)
    return found


def draw_scan(patient: PhantomPatient, random: np.random.Generator) -> tuple[sitk.Image, sitk.Image]:
    """Return a patient's CT (int16 HU) and label (uint8) on the scanner's grid."""
    size = np.array(patient.size)
    origin = patient.centre_mm - patient.direction @ (patient.spacing_mm * (size - 1) / 2)
    index = np.moveaxis(np.indices(patient.size[::-1], dtype=np.float64)[::-1], 0, -1)
    world = origin + (index * patient.spacing_mm) @ patient.direction.T
    place = (world - patient.shift) @ np.linalg.inv(patient.matrix).T
    texture = ndimage.gaussian_filter(random.standard_normal(place.shape[:3]), 2.0)
    values, label = anatomy(place, 8.0 * texture / texture.std())
    values += random.normal(0.0, 8.0, values.shape)
    images = (
        sitk.GetImageFromArray(np.clip(np.rint(values), AIR, 3071).astype(np.int16)),
        sitk.GetImageFromArray(label),
    )
    for image in images:
        image.SetSpacing(patient.spacing_mm.tolist())
        image.SetOrigin(origin.tolist())
        image.SetDirection(patient.direction.ravel().tolist())
    return images


def anatomy(place: Array, texture: Array) -> tuple[Array, NDArray[np.uint8]]:
    """Return HU and label values at places (..., 3), x, y, z in mm of the anatomy; `texture` (...) adds in the body.

    Soft tissue drifts with all three coordinates: a patch tells where it lies, but for its noise.
    """
    x, y, z = np.moveaxis(place, -1, 0)
    width = 1.0 + 0.10 * np.cos(z / 45.0)
    radius = np.hypot(x / (92.0 * width), y / (70.0 * width))
    values = 30.0 + 0.9 * z + 60.0 * np.sin(x / 55.0) + 45.0 * np.sin(y / 40.0) + texture
    values[radius > 0.9] = -100.0 + 0.1 * z[radius > 0.9]
    for organ in (*_LUNGS, *_ORGANS):
        _paint(values, place, organ, texture)
    # Ribs: rings round the chest. Spine: a column of vertebrae that grow downwards.
    values[(abs(radius - 0.85) < 0.045) & (np.sin(z / 4.2) > 0.35) & (z > -5.0)] = 500.0
    column = np.hypot(x, y - 46.0) < 13.0 - z / 40.0
    values[column] = np.where(np.sin(z[column] / 5.0) > -0.4, 450.0 - z[column], 80.0)
    label = np.zeros(x.shape, dtype=np.uint8)
    for value, organ in enumerate(STRUCTURES.values(), start=1):
        label[_paint(values, place, organ, texture)] = value
    values[radius > 1.0] = AIR
    return values, label


def _paint(values: Array, place: Array, organ: Ellipsoid, texture: Array) -> NDArray[np.bool_]:
    """Set the HU of an ellipsoid and return where it is."""
    inside: NDArray[np.bool_] = (((place - organ.centre) / organ.radii) ** 2).sum(axis=-1) <= 1.0
    values[inside] = organ.hu + texture[inside]
    return inside
