"""Check a run before it starts: parameters, sample sheet, settings, weights, and whether the files exist."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rprloc.catalogue import (
    BY_LABELS,
    BY_SUPPORTS,
    Family,
    families_of,
    in_order,
    method_named,
    methods,
    network_named,
    networks_of,
)
from rprloc.cohort.chosen import Weights, shipped_weights
from rprloc.cohort.exports import parse_exports
from rprloc.cohort.faults import NAME, NAME_EXPECTED, Fault, listed, parameter_fault
from rprloc.cohort.parameters import Schema, check_parameters
from rprloc.cohort.places import Place, file_faults
from rprloc.cohort.settings import SUFFIXES, Settings, known_cohorts, load_settings
from rprloc.cohort.sheet import Row, Sheet, parse_sheet
from rprloc.cohort.tasks import AUTO, NO_WEIGHTS, Parameters
from rprloc.cohort.weights import SHIPPED, adopt_weights, shipped_folder, weights_folder
from rprloc.errors import nearest

ALL = "all"
"""What `--methods` says for every method."""
LENGTH = "standard"
"""How long is trained what has to be, where `--training` does not say."""


@dataclass(frozen=True, kw_only=True)
class Given:
    """What a run is given, where it lies for this process."""

    parameters: Mapping[str, object]
    """As the user gave them, texts or typed."""
    schema: Schema
    """Of nextflow_schema.json."""
    sheet: Path
    name: str
    """What messages call the sheet."""
    places: Mapping[str, Place]
    """What lies at the paths that the sheet names."""
    folders: Sequence[Path]
    """Of settings files; the first that has a cohort's file wins."""
    settings_file: Path | None = None
    """The file that the parameter `cohort` names, if it names one."""
    weights: Path | None = None
    """The folder of trained models that the parameter `weights` names."""
    own_folder: bool = True
    """Whether the folder that the parameter `cohort_folder` names is there."""
    processors: int | None = None
    """Of the machine where all of the run is computed; None for a cluster."""


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What a run consists of, all that is wrong with it, and sentences on what looks odd."""

    parameters: Parameters
    methods: tuple[str, ...] = ()
    """In the order of the tables."""
    exports: tuple[str, ...] = ()
    """As what answers are exported."""
    rows: tuple[Row, ...] = ()
    cohorts: Mapping[str, Settings] = field(default_factory=dict)
    """The settings of each cohort of the sheet, as its models need them."""
    models: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By cohort, the model file of each network that is given: a path within the folder of weights."""
    chosen: Mapping[str, Mapping[str, Weights]] = field(default_factory=dict)
    """By cohort and family, the weights that its searches try by themselves, none among them."""
    unable: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By cohort, the families that cannot answer there, with the reason."""
    processors: int | None = None
    """Of the machine where all of the run is computed; None for a cluster."""
    faults: tuple[Fault, ...] = ()
    warnings: tuple[str, ...] = ()


def check(given: Given) -> Checked:
    """Return what a run consists of; nothing is raised for a fault, all of them are returned."""
    parameters, faults = check_parameters(given.parameters, given.schema)
    faults = _folder_faults(given) + faults
    parameters = _with_length(parameters)
    known = known_cohorts(list(given.folders))
    cohort, wrong = _default_cohort(str(parameters["cohort"]), known, given.settings_file)
    faults += wrong
    asked, wrong = parse_methods(str(parameters["methods"]))
    faults += wrong
    exports, wrong = parse_exports(parameters["exports"])
    faults += wrong
    sheet = _read(given, parameters, cohort, known, training=bool(trained(parameters["weights"], families_of(asked))))
    faults += [*sheet.faults, *_parameter_faults(parameters, asked, sheet.rows)]
    weights, wrong = _weights_folder(parameters["weights"], given.weights)
    faults += wrong
    cohorts: dict[str, Settings] = {}
    models: dict[str, dict[str, str]] = {}
    # Cohorts without settings are among the faults already.
    for each in dict.fromkeys(row.cohort for row in sheet.rows if row.cohort in known):
        settings, wrong = load_settings(known[each], name=_called(known[each], parameters, given.settings_file))
        faults += wrong
        if settings is not None and weights is not None:
            members = [row for row in sheet.rows if row.cohort == each]
            settings, models[each], wrong = _adopted(settings, weights, str(parameters["weights"]), members, asked)
            faults += wrong
        if settings is not None:
            cohorts[each] = settings
    faults += [
        fault
        for row in sheet.rows
        for fault in file_faults(
            row, given.places, cohorts[row.cohort].structures if row.cohort in cohorts else None, sheet=given.name
        )
    ]
    chosen = {each: _chosen(cohorts[each], each, asked) for each in cohorts if parameters["weights"] == AUTO}
    # Networks of the user's own are all that there is.
    own = models if own_weights(parameters["weights"]) else None
    unable = {each: _unable(sheet.rows, each, asked, None if own is None else own.get(each, {})) for each in cohorts}
    seen = [] if own is not None else _seen(sheet.rows, list(cohorts), asked)
    return Checked(
        parameters=parameters,
        methods=tuple(asked),
        exports=exports,
        rows=sheet.rows,
        cohorts=cohorts,
        models=models,
        chosen=chosen,
        unable=unable,
        processors=given.processors,
        faults=tuple(_in_order(faults)),
        warnings=(*sheet.warnings, *_unable_words(unable), *seen),
    )


def parse_methods(text: str) -> tuple[list[str], list[Fault]]:
    """Return the methods that `--methods` names, in the order of the tables, and a fault for each unknown name.

    Names stand between commas or spaces; `all` is every method that needs no extra of this package. One that is not
    installed is a fault as well.
    """
    known = [method.name for method in methods()]
    names = [name for name in re.split(r"[,\s]+", text.strip()) if name]
    offered = [*known, ALL]
    faults = [
        parameter_fault("methods", name, f"{listed(offered)}{nearest(name, offered)}")
        for name in names
        if name not in offered
    ]
    if not names:
        faults.append(parameter_fault("methods", text, f"one or more of {listed(offered, 'and')}"))
    faults += [
        parameter_fault("methods", name, f"a method whose package is installed: {absent}")
        for name in names
        if name in known and (absent := method_named(name).absent)
    ]
    every = [method.name for method in methods() if not method.module]
    asked = [name for name in names if name in known]
    return in_order([*every, *asked] if ALL in names else asked), faults


def trained(weights: str | None, families: Sequence[Family]) -> list[str]:
    """Return the networks that a run trains for families of methods: all without weights, none with a folder of them,
    those that shipped weights lack, and where weights are chosen those of families that cannot do without.
    """
    if own_weights(weights):
        return []
    given = [path.stem for path in shipped_folder(weights).glob("*.safetensors")] if weights in SHIPPED else []
    wanted = [network for one in families if not chooses(weights, one) for network in one.networks]
    return [network for network in dict.fromkeys(wanted) if network not in given]


def own_weights(weights: str | None) -> bool:
    """Tell whether a run trains nothing: its networks, if any, have learned elsewhere."""
    return weights not in (None, AUTO, *SHIPPED)


def chooses(weights: str | None, family: Family) -> bool:
    """Tell whether a family's searches decide themselves about their weights."""
    return weights == AUTO and family.optional


def measured(members: Sequence[Row]) -> bool:
    """Tell whether a cohort has a query with the truth, its label or marks, about predictions from another scan."""
    return any(
        query.query and query.annotated and any(row.support and row.subject != query.subject for row in members)
        for query in members
    )


def _in_order(faults: Sequence[Fault]) -> list[Fault]:
    """Return faults file by file, each file's by line."""
    files = {file: number for number, file in enumerate(dict.fromkeys(fault.file for fault in faults))}
    return sorted(faults, key=lambda fault: (files[fault.file], fault.line or 0))


def _folder_faults(given: Given) -> list[Fault]:
    """Return the faults of folders that parameters name."""
    faults = []
    # Nextflow itself would publish to the root folder.
    if "outdir" in given.parameters and not given.parameters["outdir"]:
        faults.append(parameter_fault("outdir", None, "a folder for the results"))
    own = given.parameters.get("cohort_folder")
    if own and not given.own_folder:
        faults.append(parameter_fault("cohort_folder", str(own), "a folder that exists"))
    return faults


def _parameter_faults(parameters: Parameters, asked: Sequence[str], rows: Sequence[Row]) -> list[Fault]:
    """Return the faults of parameters that depend on the sheet or on each other."""
    faults = []
    queries = list(dict.fromkeys(row.subject for row in rows if row.query))
    wanted = parameters["figure_query"]
    if wanted is not None and queries and wanted not in queries:
        expected = f"a query of the sample sheet{nearest(wanted, queries) or f' such as {queries[0]}'}"
        faults.append(parameter_fault("figure_query", wanted, expected))
    if parameters["weights"] == NO_WEIGHTS:
        able = [row.name for row in methods() if row.family.optional or not row.family.networks]
        if unable := [method for method in asked if method not in able]:
            only = f"or only methods that need none: {listed(able, 'and')}"
            expected = f"trained networks for {listed(unable, 'and')}, {only}"
            faults.append(parameter_fault("weights", NO_WEIGHTS, expected))
    return faults


def _weights_folder(weights: str | None, here: Path | None) -> tuple[Path | None, list[Fault]]:
    """Return the folder of trained models that the parameter `weights` means, which for this process may lie `here`;
    None where there is none, and a fault where there should be one.
    """
    if weights in (None, AUTO, NO_WEIGHTS):
        return None, []
    folder = here or weights_folder(weights)
    if folder.is_dir():
        return folder, []
    names = [AUTO, *SHIPPED, NO_WEIGHTS]
    expected = listed(["a folder that exists", *names]) + nearest(weights, names)
    return None, [parameter_fault("weights", weights, expected)]


def _with_length(parameters: Parameters) -> Parameters:
    """Return parameters with the length of trainings: where it is given and weights are not, all networks are trained,
    and weights are None.
    """
    length = parameters["training"]
    weights = None if length and parameters["weights"] == AUTO else parameters["weights"]
    return {**parameters, "weights": weights, "training": length or LENGTH}


def _chosen(settings: Settings, cohort: str, asked: Sequence[str]) -> dict[str, Weights]:
    """Return what the families that do without networks as well try by themselves in a cohort: shipped weights that fit
    its settings and the grid of its scans, else none.
    """
    grid = replace(settings, given=settings.given | {"modality", "spacing"})
    families = [family for family in families_of(asked) if family.optional]
    members = {family.name: next(name for name in asked if method_named(name).family == family) for family in families}
    return {family: shipped_weights(grid, cohort, method) for family, method in members.items()}


def _adopted(
    settings: Settings, folder: Path, weights: str, members: Sequence[Row], asked: Sequence[str]
) -> tuple[Settings, dict[str, str], list[Fault]]:
    """Return a cohort's settings as the models in a folder need them, the models' paths within it, and faults; the
    user knows the folder as `weights`.
    """
    networks = networks_of(asked)
    optional = trained(weights, families_of(asked)) or _optional(members, asked)
    settings, models, faults = adopt_weights(
        settings, folder, cohort=members[0].cohort, name=weights, wanted=networks, optional=optional
    )
    if faults and weights in SHIPPED:
        expected = "a cohort with the window and spacing of those weights, such as --cohort head_neck_ct"
        faults.append(parameter_fault("weights", weights, expected))
    return settings, models, faults


def _optional(members: Sequence[Row], asked: Sequence[str]) -> list[str]:
    """Return the networks that a folder of weights may lack: those that learn from labels, where the cohort has none
    to learn from and other methods answer.
    """
    families = families_of(asked)
    if len(families) == 1 or _labelled(members):
        return []
    return [name for name in networks_of(asked) if network_named(name).learns == BY_LABELS]


def _unable(rows: Sequence[Row], cohort: str, asked: Sequence[str], models: Mapping[str, str] | None) -> dict[str, str]:
    """Return the families that cannot answer in a cohort, with the reason: those that learn from labels, where no
    training scan has one or, with trained `models`, where their network is missing.
    """
    found: dict[str, str] = {}
    for family in families_of(asked):
        if models is not None:
            missing = [network for network in family.networks if network not in models]
            if missing and family.learns:
                found[family.name] = f"the weights hold no {listed(missing, 'and no')} model for {cohort}"
        elif family.learns == BY_LABELS and not _labelled([row for row in rows if row.cohort == cohort]):
            found[family.name] = f"no training scan of {cohort} has a label"
    return found


def _unable_words(unable: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Return a sentence for each family that cannot answer in a cohort."""
    return [
        f"cohort {cohort}: {family}'s answers fail, as {reason}."
        for cohort, reasons in unable.items()
        for family, reason in reasons.items()
    ]


def _seen(rows: Sequence[Row], cohorts: Sequence[str], asked: Sequence[str]) -> list[str]:
    """Return a warning for each cohort in which a method is tested on labels that it learns from."""
    told = {BY_LABELS: "scans", BY_SUPPORTS: "supports"}
    return [
        f"cohort {cohort}: {family.name} learns from the labels of {told[family.learns]} that are queries as well; "
        "what it finds there is no test of it (a column split keeps them apart)."
        for cohort in cohorts
        for family in families_of(asked)
        if family.learns and any(_taught_by(row, family) for row in rows if row.cohort == cohort)
    ]


def _taught_by(row: Row, family: Family) -> bool:
    """Tell whether a query's label teaches a family."""
    taught = row.label is not None and row.train if family.learns == BY_LABELS else row.annotated and row.support
    return row.query and taught


def _labelled(members: Sequence[Row]) -> bool:
    """Tell whether a training scan has a label."""
    return any(row.train and row.label for row in members)


def _called(path: Path, parameters: Parameters, settings_file: Path | None) -> str:
    """Return what the user calls a settings file, which lies elsewhere for this process."""
    if settings_file is not None and path == settings_file:
        return str(parameters["cohort"])
    # The shipped files have no faults.
    folder = parameters["cohort_folder"]
    return str(path) if folder is None else f"{folder}/{path.name}"


def is_settings_file(cohort: str) -> bool:
    """Tell whether the parameter `cohort` names a settings file and not a cohort."""
    return "/" in cohort or cohort.endswith(SUFFIXES)


def _default_cohort(cohort: str, known: dict[str, Path], settings_file: Path | None) -> tuple[str, list[Fault]]:
    """Return the name of the default cohort, add its file to the known ones where it is given as a file, and faults."""
    if not is_settings_file(cohort):
        hint = f"a cohort with settings: {listed(sorted(known))}{nearest(cohort, known)}, or a YAML file"
        return cohort, [] if cohort in known else [parameter_fault("cohort", cohort, hint)]
    path, name = settings_file or Path(cohort), Path(cohort).stem
    faults = [] if path.is_file() else [parameter_fault("cohort", cohort, "a settings file that exists")]
    if not NAME.fullmatch(name):
        faults.append(parameter_fault("cohort", cohort, f"a file NAME.yml whose NAME has {NAME_EXPECTED}"))
    if path.is_file():
        known[name] = path
    return name, faults


def _read(given: Given, parameters: Parameters, cohort: str, known: Mapping[str, Path], *, training: bool) -> Sheet:
    """Read the sheet with the run's parameters; a sheet that cannot be read has a fault and no rows. `training` tells
    whether the run trains a network and so needs scans for that.
    """
    try:
        content = given.sheet.read_bytes()
    except OSError as error:
        fault = Fault(file=given.name, value=error.strerror, expected="a sample sheet that can be read")
        # Without --input there is no sheet, which is said of the parameter.
        return Sheet(given.name, faults=(fault,) if "input" in parameters else ())
    # The default cohort's fault is said once, as the parameter's, and not again for each row.
    return parse_sheet(
        content,
        name=given.name,
        cohort=cohort,
        cohorts={*known, cohort},
        training=training,
    )
