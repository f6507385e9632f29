"""What Retina U-Net learns: the boxes and the voxels of the structures that are labelled in the training scans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from msgspec.structs import replace
from numpy.typing import NDArray
from torch import Tensor, nn

from rprloc.errors import NothingToLearnError
from rprloc.geometry import FloatArray
from rprloc.networks.checkpoint import new_network
from rprloc.networks.device import bfloat16_is_fast
from rprloc.networks.field import field_of, pooling_of, to_edges
from rprloc.networks.settings import DetectorSettings
from rprloc.scans.record import ScanRecord
from rprloc.scans.scan import volume_path
from rprloc.scans.volume import read_model_volume
from rprloc.training.augmentation import FieldView, LabelledField, plain_view, random_view
from rprloc.training.data import Kept, check_spacing, half_voxels
from rprloc.training.objective import nothing
from rprloc.training.sharing import WHOLE, Share
from rprloc.training.task import Lessons

if TYPE_CHECKING:
    from rprloc.networks.detector import FieldTruth

_FIXED = 12
"""Most scans on which the validation error is measured."""


class LabelledFields(Kept[LabelledField]):
    """The scans of some folders that show a label."""

    def __init__(
        self,
        folders: Sequence[Path],
        structures: Sequence[str],
        values: Mapping[str, int] | None,
        settings: DetectorSettings,
        *,
        device: torch.device,
    ) -> None:
        """Take folders of preprocessed scans, the names that count, their values in the labels (None: those that each
        scan's record says) and the network's settings; scans that were set aside are left out. Using a scan raises
        InputError where it has another spacing than the settings ask for.
        """
        self._structures, self._values, self._settings, self._device = structures, values, settings, device
        shown = [folder for folder in folders if drawn(ScanRecord.read(folder)) & set(structures)]
        super().__init__(shown, self._field)

    def _field(self, folder: Path) -> LabelledField:
        record, settings = ScanRecord.read(folder), self._settings
        check_spacing(record, settings)
        assert record.model is not None
        pooling = pooling_of(settings.spacing)
        values = torch.from_numpy(read_model_volume(volume_path(folder))).to(self._device)
        levels = field_of(values, settings)
        label = read_model_volume(volume_path(folder, "label")).view(np.uint16)
        voxels = np.zeros(levels.shape, dtype=np.int16)
        boxes: dict[int, FloatArray] = {}
        for number, name in enumerate(self._structures):
            if name in drawn(record):
                structure = record.structures[name]
                value = structure.value if self._values is None else self._values[name]
                voxels[_pooled(label == value, pooling)] = number + 1
                boxes[number] = to_edges(structure.box_mm, record.model, pooling)
        # Levels from 0 to 1 lose nothing that matters in 16 bits.
        return LabelledField(record.subject, levels.half(), voxels, boxes)


def drawn(record: ScanRecord) -> set[str]:
    """Return the structures of a scan that voxels of its label show: marks have none."""
    return {name for name, structure in record.structures.items() if structure.is_drawn}


def detection(lessons: Lessons) -> Detection:
    """Return what a Retina U-Net learns; raises NothingToLearnError where no training scan has a label."""
    return Detection(lessons)


class Detection:
    """The boxes and voxels of labelled structures, in random views of whole scans (`random_view`)."""

    error, words = "error_mm", "wall error: training {:.1f} mm, validation {:.1f} mm"

    def __init__(self, lessons: Lessons) -> None:
        """Take the task: the error is that of the validation scans or, where none has a label, of some training scans.

        Raises NothingToLearnError where no training scan has a label.
        """
        task, device = lessons.task, lessons.device
        values = task.settings.structures
        present = {name for folder in lessons.training for name in drawn(ScanRecord.read(folder))}
        names = tuple(name for name in sorted(present) if values is None or name in values)
        if not names:
            raise NothingToLearnError(
                f"{task.network}: found no label of a structure in the training scans, expected at least one."
            )
        # It takes seconds to import, which a task that has nothing to learn from is spared.
        from rprloc.networks.detector import anchor_shapes, detector_of

        plain = DetectorSettings.of_cohort(task.network, task.settings)
        self._train, fixed = (
            LabelledFields(some, names, values, plain, device=device) for some in (lessons.training, lessons.validation)
        )
        self.scans, self.validation = len(self._train), [scan.subject for scan in fixed]
        sizes = np.array([box[1] - box[0] for scan in self._train for box in scan.boxes.values()])
        halves = half_voxels(lessons.training, names)
        self.settings = replace(plain, structures=names, anchors=anchor_shapes(sizes), half_voxel_mm=halves)
        self.network: nn.Module = new_network(self.settings, seed=task.seed).to(device)
        self._detector = detector_of(self.network, self.settings)
        self._length, self._seed, self._device = task.length, task.seed, device
        self._spacing = np.array(plain.spacing) * pooling_of(plain.spacing)
        some = fixed if len(fixed) else self._train
        self._fixed = [some[number] for number in range(0, len(some), -(-len(some) // _FIXED))]

    def loss(self, step: int, share: Share = WHOLE) -> tuple[Tensor, Tensor]:
        """Return what a step's scans add to the mean loss and to their matched anchors' mean wall error in mm."""
        generator = np.random.default_rng([self._seed, step])
        chosen = generator.integers(len(self._train), size=self._length.groups)
        views = [random_view(self._train[int(number)], generator) for number in chosen]
        # Every structure of a scan may have been moved out of the field.
        views = [view for view in views if view.boxes]
        losses, errors = [], []
        for view in share.part(views):
            with torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=bfloat16_is_fast(self._device)):
                found = self._detector.losses(view.field, _target(view))
            losses.append(found.total)
            errors.append((found.wall_error * torch.as_tensor(self._spacing).to(found.wall_error)).mean())
        if not losses:
            return nothing(self.network)
        counts = len(losses) / len(views)
        return torch.stack(losses).mean() * counts, torch.stack(errors).mean() * counts

    def validation_error(self) -> float:
        """Return the mean wall error in mm of the best boxes of the fixed scans' structures."""
        errors = []
        for scan in self._fixed:
            found = self._detector.best(plain_view(scan).field)
            for number, true in scan.boxes.items():
                best = found[number]
                errors.append(np.nan if best is None else (np.abs(best.box - true) * self._spacing).mean())
        return float(np.mean(errors))


def _target(view: FieldView) -> FieldTruth:
    """Return what is known of a view."""
    from rprloc.networks.detector import FieldTruth

    device = view.field.device
    boxes = np.array([box.ravel() for box in view.boxes.values()], dtype=np.float32)
    return FieldTruth(torch.from_numpy(boxes).to(device), torch.tensor(list(view.boxes), device=device), view.voxels)


def _pooled(mask: NDArray[np.bool_], pooling: Sequence[int]) -> NDArray[np.bool_]:
    """Return which voxels of the field a mask (z, y, x) fills at least half."""
    pads = [(0, -n % factor) for n, factor in zip(mask.shape, pooling, strict=True)]
    shape = [size for n, factor in zip(mask.shape, pooling, strict=True) for size in (-(-n // factor), factor)]
    share = np.pad(mask, pads).reshape(shape).mean(axis=(1, 3, 5))
    return np.asarray(share >= 0.5)
