"""The table of networks. A new network is a row here, a file in rprloc/networks and an objective in rprloc/training.

This file is a table alone: what a task runs does not change with other tasks' rows (rprloc/cohort/code.py).
"""

from __future__ import annotations

from rprloc.catalogue.rows import BY_LABELS, BY_SUPPORTS, Length, Network

_SEEN = ("modality", "window", "spacing", "network")


def _whole_scans(steps: int, groups: int) -> Length:
    """Return the length of a training that sees whole scans, as many as `groups` a step.

    The full learning rate from the start throws Retina U-Net's boxes, exponentials, hundreds of voxels away. On
    openkbp's validation scans Adam at 2e-3 (with a plain mean for the cross-entropy of the voxels) had a wall error of
    6.2 mm after 300 steps of two scans, Muon 3.8 mm after 240.
    """
    return Length(
        steps, groups, patches=1, learning_rate=1.5e-2, decay="cosine", optimiser="muon", warm_up=min(100, steps // 5)
    )


def _pairs(steps: int, groups: int) -> Length:
    """Return the length of a training from pairs of patches."""
    return Length(steps, groups, patches=8, learning_rate=1.5e-2, decay="cosine", optimiser="muon")


_OFFSETS = {
    # docs/results/speed.md tells what was tried.
    "demo": _pairs(steps=500, groups=3),
    "quick": _pairs(steps=3_000, groups=6),
    # What a core does in an hour and a half for each network.
    "standard": _pairs(steps=20_000, groups=6),
    # Six independent pairs, two patches each, as in section 3 of the paper; 2,000 steps an epoch as in its code.
    "paper": Length(steps=250 * 2_000, groups=6, patches=2),
}
_TOLD = {
    "demo": _whole_scans(steps=20, groups=1),
    "quick": _whole_scans(steps=1_200, groups=2),
    "standard": _whole_scans(steps=5_000, groups=4),
    "paper": _whole_scans(steps=20_000, groups=8),
}

NETWORKS = (
    Network(
        name="coarse",
        settings="rprloc.networks.settings:PatchSettings",
        build="rprloc.networks.pnet:pnet_of",
        objective="rprloc.training.position:relative_position",
        lengths=_OFFSETS,
        keys=(*_SEEN, "patch", "r.coarse"),
        sentence="The offset between any two patches of a scan.",
        source="Lei et al., arXiv:2012.07043, equation 2",
    ),
    Network(
        name="fine",
        settings="rprloc.networks.settings:PatchSettings",
        build="rprloc.networks.pnet:pnet_of",
        objective="rprloc.training.position:relative_position",
        lengths=_OFFSETS,
        keys=(*_SEEN, "patch", "r.fine"),
        sentence="The offset between two near patches of a scan.",
        source="Lei et al., arXiv:2012.07043, equation 2",
    ),
    Network(
        name="position_map",
        settings="rprloc.networks.settings:MapSettings",
        build="rprloc.networks.position_map:map_of",
        objective="rprloc.training.body_positions:body_positions",
        lengths={
            "demo": _whole_scans(steps=60, groups=1),
            "quick": _whole_scans(steps=1_200, groups=1),
            "standard": _whole_scans(steps=6_000, groups=2),
            "paper": _whole_scans(steps=50_000, groups=8),
        },
        keys=_SEEN,
        sentence="The place in the body of every voxel of a scan.",
        source="after arXiv:2409.10291",
    ),
    Network(
        name="student",
        settings="rprloc.networks.settings:VotesSettings",
        build="rprloc.networks.votes:votes_of",
        objective="rprloc.training.landmarks:landmarks",
        lengths=_TOLD,
        keys=(*_SEEN, "structures", "matching_spacing"),
        needs=("position_map",),
        learns=BY_SUPPORTS,
        sentence="Votes for the landmarks that matched carried from the supports.",
        source="ours",
    ),
    Network(
        name="autoencoder",
        settings="rprloc.networks.settings:CodeSettings",
        build="rprloc.networks.autoencoder:autoencoder_of",
        objective="rprloc.training.reconstruction:reconstruction",
        lengths={
            # Crops of 20 voxels an axis.
            "demo": Length(steps=250, groups=4, patches=2, learning_rate=3e-3, decay="cosine"),
            "quick": Length(steps=1_000, groups=4, patches=2, learning_rate=3e-3, decay="cosine"),
            "standard": Length(steps=20_000, groups=8, patches=4, learning_rate=3e-3, decay="cosine"),
            "paper": Length(steps=100_000, groups=8, patches=4, learning_rate=1e-3, decay="cosine"),
        },
        keys=(*_SEEN, "patch"),
        sentence="A code from which grey values can be given back.",
        source="Lei et al., arXiv:2012.07043, table 3",
    ),
    Network(
        name="retina_unet",
        settings="rprloc.networks.settings:DetectorSettings",
        build="rprloc.networks.retina_unet:retina_unet_of",
        objective="rprloc.training.detection:detection",
        lengths={
            "demo": _whole_scans(steps=60, groups=2),
            "quick": _whole_scans(steps=800, groups=2),
            "standard": _whole_scans(steps=10_000, groups=4),
            "paper": _whole_scans(steps=50_000, groups=8),
        },
        keys=(*_SEEN, "structures"),
        learns=BY_LABELS,
        sentence="Boxes and outlines of the structures that training scans have labels of.",
        source="Jaeger et al., arXiv:1811.08661",
    ),
    Network(
        name="ceiling",
        settings="rprloc.networks.settings:VotesSettings",
        build="rprloc.networks.votes:votes_of",
        objective="rprloc.training.landmarks:landmarks",
        lengths=_TOLD,
        keys=(*_SEEN, "structures", "matching_spacing"),
        needs=("position_map",),
        learns=BY_LABELS,
        sentence="The student's network on the labels of the training scans.",
        source="ours",
    ),
)
