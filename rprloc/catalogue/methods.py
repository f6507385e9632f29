"""The table of methods, in the order of the results' tables. A new method is a row here and a file in rprloc/methods.

This file is a table alone: what a task runs does not change with other tasks' rows (rprloc/cohort/code.py).
"""

from __future__ import annotations

from rprloc.catalogue.rows import ANTS, BY_LABELS, BY_SUPPORTS, Family, Method

PAPER = "regression"
"""The paper's method."""
DEFAULT = "matched"
"""The method of a run that names none, and the one whose answers are the ones to use."""

_RPRLOC = "Lei et al., MICCAI 2021, arXiv:2012.07043"
_TABLE_3 = "baseline of table 3 of Lei et al., arXiv:2012.07043"
_STARTS = (1, 5, 10, 15, 20)
"""The starts of table 1."""

_grey = Family(name="grey", make="rprloc.methods.grey:make", parameters=("template_stride",))
_feature = Family(name="feature", make="rprloc.methods.feature:make", networks=("autoencoder",))
_registration = Family(
    name="registration",
    make="rprloc.methods.registration:make",
    matching=True,
    outlines=True,
    gpu=False,
    most_supports="registration_supports",
)

METHODS = (
    Method(
        name=PAPER,
        family=Family(name="regression", make="rprloc.methods.regression:make", networks=("coarse", "fine")),
        setting="extreme.k{starts}.c1f1",
        settings=(
            *(f"{points}.k{k}.c1f0" for points in ("diagonal", "extreme") for k in _STARTS),
            *(f"extreme.k{{starts}}.c{steps}f0" for steps in (1, 2, 3)),
        ),
        paper="the paper's",
        column="the paper's",
        sentence="A coarse and then a fine network say from random starts in the query how far the support's patch is; "
        "the positions that the starts reach are averaged.",
        source=_RPRLOC,
        seconds=0.5,
    ),
    Method(
        name="position_map",
        family=Family(name="position_map", make="rprloc.methods.position_map:make", networks=("position_map",)),
        sentence="A network gives every voxel its place in the body; a landmark is where the query has the place that "
        "the landmark has in the support.",
        source="after arXiv:2409.10291",
        seconds=0.05,
    ),
    Method(
        name=DEFAULT,
        family=Family(
            name="matched",
            make="rprloc.methods.matched:make",
            networks=("position_map",),
            optional=True,
            matching=True,
            calibrated=True,
            bridged=True,
            outlines=True,
        ),
        sentence="An affine start from the position map or, without a network, from laying the support over the query; "
        "then what surrounds "
        "points of the structures' surfaces is matched, coarsely and finely, all points together.",
        source="ours; features of Heinrich et al., MICCAI 2013, coupling of Heinrich et al., WBIR 2014",
        seconds=0.7,
    ),
    Method(
        name="student",
        family=Family(
            name="student",
            make="rprloc.methods.student:make",
            networks=("position_map", "student"),
            matching=True,
            learns=BY_SUPPORTS,
        ),
        sentence="A small network that has learned from what matched carried from the supports to the training scans; "
        "a scan takes tenths of a second.",
        source="ours",
        seconds=0.1,
    ),
    Method(
        name="grey_mse",
        family=_grey,
        setting="extreme.s{template_stride}",
        paper="GS MSE",
        column="grey values",
        sentence="The support's patch slid over the whole query, compared by the mean squared difference.",
        source=_TABLE_3,
        seconds=0.3,
    ),
    Method(
        name="grey_cosine",
        family=_grey,
        setting="extreme.s{template_stride}",
        paper="GS Cosine",
        column="grey values",
        sentence="The same, compared by the cosine.",
        source=_TABLE_3,
        seconds=0.3,
    ),
    Method(
        name="grey_ncc",
        family=_grey,
        setting="extreme.s{template_stride}",
        paper="GS NCC",
        column="grey values",
        sentence="The same, compared by normalised cross-correlation.",
        source=_TABLE_3,
        seconds=0.3,
    ),
    Method(
        name="feature_mse",
        family=_feature,
        # The stride of the auto-encoder's code.
        setting="extreme.s2",
        paper="FM MSE",
        column="features",
        sentence="The code of an auto-encoder in place of grey values, compared by the mean squared difference.",
        source=_TABLE_3,
        seconds=0.5,
    ),
    Method(
        name="feature_cosine",
        family=_feature,
        setting="extreme.s2",
        paper="FM Cosine",
        column="features",
        sentence="The same, compared by the cosine.",
        source=_TABLE_3,
        seconds=0.5,
    ),
    Method(
        name="retina_unet",
        family=Family(
            name="retina_unet",
            make="rprloc.methods.retina_unet:make",
            networks=("retina_unet",),
            learns=BY_LABELS,
        ),
        setting="box",
        paper="supervised",
        column="trained on labels",
        sentence="A detector trained on the boxes and labels of all training scans.",
        source="Jaeger et al., arXiv:1811.08661",
        seconds=0.3,
    ),
    Method(
        name="ceiling",
        family=Family(
            name="ceiling",
            make="rprloc.methods.student:make",
            networks=("position_map", "ceiling"),
            matching=True,
            learns=BY_LABELS,
        ),
        paper="student on labels",
        column="trained on labels",
        sentence="The student's network, told the labels of all training scans: what these contours allow.",
        source="ours",
        seconds=0.1,
    ),
    Method(
        name="affine",
        family=_registration,
        sentence="Affine registration of the support to the query by mutual information.",
        source="SimpleITK; Mattes et al., IEEE TMI 2003",
        seconds=1.6,
    ),
    Method(
        name="bspline",
        family=_registration,
        sentence="A cubic B-spline around the structures after the affine transform.",
        source="SimpleITK; Rueckert et al., IEEE TMI 1999",
        seconds=7.2,
    ),
    Method(
        name="convex",
        family=_registration,
        sentence="ConvexAdam on MIND features after the affine transform.",
        source="Siebert et al., arXiv:2408.14611",
        seconds=3.8,
    ),
    Method(
        name="syn",
        family=_registration,
        module=ANTS,
        sentence="Symmetric normalisation by ANTs with its defaults, of whole scans; its package comes with an extra, "
        "and `all` leaves it out.",
        source="antspyx; Avants et al., Medical Image Analysis 2008",
        seconds=30.0,
    ),
)
