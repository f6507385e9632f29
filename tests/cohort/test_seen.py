"""What networks and trainings depend on, of a cohort's settings."""

import msgspec
import pytest

from rprloc.catalogue import network_named
from rprloc.cohort.seen import learning_of, seen_by
from rprloc.cohort.settings import Settings

SETTINGS = Settings(structures={"liver": 1})


def test_models_have_to_agree_with_what_the_settings_say() -> None:
    seen = seen_by(SETTINGS)
    assert (seen.modality, seen.window) == (SETTINGS.modality, SETTINGS.window)
    assert (seen.spacing, seen.patch) == (SETTINGS.spacing, SETTINGS.patch)


@pytest.mark.parametrize(
    ("network", "r", "structures"),
    [("coarse", "coarse", False), ("fine", "fine", False), ("position_map", None, False), ("retina_unet", None, True)],
)
def test_a_training_depends_on_what_its_network_has_to_do_with(network: str, r: str | None, structures: bool) -> None:
    learning = learning_of(SETTINGS, network_named(network))
    assert learning.r == (None if r is None else getattr(SETTINGS.r, r))
    assert learning.structures == ({"liver": 1} if structures else None)
    assert msgspec.structs.replace(learning, r=None).spacing == SETTINGS.spacing
