"""Check a run before it starts: parameters, sample sheet, settings, and whether the files exist."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rprloc.cohort.faults import NAME, NAME_EXPECTED, Fault, listed
from rprloc.cohort.methods import (
    BY_LABELS,
    BY_SUPPORTS,
    CALIBRATION_IMAGES,
    FAMILIES,
    NO_WEIGHTS,
    PAPER,
    TAUGHT,
    Family,
    families_of,
    family_of,
    networks_of,
    parse_methods,
    settings_of,
    supports_of,
)
from rprloc.cohort.parameters import Schema, check_parameters
from rprloc.cohort.settings import SUFFIXES, Settings, known_cohorts, load_settings
from rprloc.cohort.sheet import Row, Sheet, parse_sheet
from rprloc.cohort.weights import SHIPPED, adopt_weights, shipped_folder
from rprloc.errors import nearest


def check(
    parameters: Mapping[str, object],
    *,
    schema: Schema,
    sheet: Path,
    folders: Sequence[Path],
    name: str | None = None,
    settings_file: Path | None = None,
    weights: Path | None = None,
    exists: Callable[[str], bool] | None = None,
) -> dict[str, Any]:
    """Return the content of check.json: parameters, errors, warnings, rows, cohorts, models.

    parameters: as Nextflow gives them. schema: of nextflow_schema.json. sheet: the file to read, which messages call
    `name`. folders: of settings files, the first that has a cohort's file wins. settings_file: where the file that
    the parameter `cohort` names lies for this process, if it names a file; weights: the same for the folder of
    trained models. exists: as for `parse_sheet`.
    Nothing is raised for a fault: "errors" holds all of them, each with file, line, column, value, expected, message.
    "cohorts" has the settings of each cohort of the sheet, with "stages" as the values to hand to each process, and
    "tables", whether the paper's tables can be made: not without a query whose label tells the truth;
    "models" has the model file of each network of each cohort, a path within the folder of weights, where there is one.
    """
    coerced, faults = check_parameters(parameters, schema)
    known = known_cohorts(list(folders))
    cohort, more = _add_default(str(coerced["cohort"]), known, settings_file)
    faults += more
    methods, wrong = parse_methods(str(coerced["methods"]))
    faults += wrong
    training = bool(_trained(coerced["weights"], networks_of(methods)))
    read = _read(sheet, name or sheet.name, coerced, cohort, known, exists, training=training)
    faults += read.faults
    queries = list(dict.fromkeys(row.subject for row in read.rows if row.query))
    wanted = coerced["figure_query"]
    if wanted is not None and queries and wanted not in queries:
        expected = f"a query of the sample sheet{nearest(wanted, queries) or f' such as {queries[0]}'}"
        faults.append(_parameter_fault("figure_query", wanted, expected))
    if coerced["weights"] == NO_WEIGHTS:
        faults += _untrained_faults(methods)
    weights, wrong = _weights_folder(coerced["weights"], weights)
    faults += wrong
    cohorts: dict[str, Settings] = {}
    models: dict[str, dict[str, str]] = {}
    # Cohorts without settings are among the faults already.
    for each in dict.fromkeys(row.cohort for row in read.rows if row.cohort in known):
        settings, wrong = load_settings(known[each], name=_called(known[each], coerced, settings_file))
        faults += wrong
        if settings is not None and weights is not None:
            settings, models[each], wrong = _adopted(settings, weights, coerced["weights"], read.rows, each, methods)
            faults += wrong
        if settings is not None:
            cohorts[each] = settings
    given = None if coerced["weights"] in (None, *SHIPPED) else models
    unable = {
        each: _unable(read.rows, each, methods, None if given is None else given.get(each, {})) for each in cohorts
    }
    warnings = [
        f"cohort {each}: {family}'s answers fail, as {reason}."
        for each, reasons in unable.items()
        for family, reason in reasons.items()
    ]
    return {
        "parameters": coerced,
        "errors": [fault.as_dict() for fault in faults],
        "warnings": [*read.warnings, *warnings, *_seen(read.rows, list(cohorts), methods, given is not None)],
        "rows": [row.as_dict() for row in read.rows],
        "cohorts": {
            each: settings.as_dict() | _asked(read.rows, each, settings, methods, coerced, unable[each])
            for each, settings in cohorts.items()
        },
        "models": models,
    }


def _asked(
    rows: Sequence[Row],
    cohort: str,
    settings: Settings,
    methods: Sequence[str],
    parameters: Mapping[str, Any],
    unable: Mapping[str, str],
) -> dict[str, Any]:
    """Return what a run asks of a cohort: values for each stage, methods as EVALUATE expects their answers, and
    families as LOCALIZE runs them, without the `unable` ones, which have their reason.
    """
    stages = settings.stages(methods)
    tables = parameters["tables"] and _measured(rows, cohort)
    families = [family for family in families_of(methods) if family.name not in unable]
    trained = _trained(parameters["weights"], [network for family in families for network in family.networks])
    calibrates = _calibrates(rows, cohort)
    return {
        "stages": stages
        | {
            "train": {network: stages["train"][network] for network in trained if network not in TAUGHT},
            "teach": {network: stages["train"][network] for network in trained if network in TAUGHT},
        },
        "tables": tables,
        "methods": [
            {
                "name": method,
                "settings": [] if method == PAPER else settings_of(method, parameters),
                "supports": supports_of(method, parameters),
                "learns": family_of(method).learns if parameters["weights"] in (None, *SHIPPED) else "",
                "reason": unable.get(family_of(method).name),
            }
            for method in methods
        ],
        "families": [
            {
                "name": family.name,
                "networks": [] if parameters["weights"] == NO_WEIGHTS else list(family.networks),
                "supports": family.supports,
                "calibrated": family.calibrated and calibrates,
                "settings": settings.localize() | _own(family, methods, parameters),
            }
            for family in families
        ],
    }


def _calibrates(rows: Sequence[Row], cohort: str) -> bool:
    """Tell whether a cohort's supports are to be searched from each other so that answers can say how sure they are:
    there have to be enough of them, and supports that are queries are searched anyway.
    """
    supports = [row for row in rows if row.cohort == cohort and row.support]
    return len(supports) >= CALIBRATION_IMAGES and not any(row.query for row in supports)


def _trained(weights: str | None, networks: Sequence[str]) -> list[str]:
    """Return those of the networks that a run trains: all without weights, none with a folder of them, and those that
    shipped weights lack.
    """
    if weights is not None and weights not in SHIPPED:
        return []
    given = [path.stem for path in shipped_folder(weights).glob("*.safetensors")] if weights else []
    return [network for network in dict.fromkeys(networks) if network not in given]


def _weights_folder(weights: str | None, here: Path | None) -> tuple[Path | None, list[Fault]]:
    """Return the folder of trained models that the parameter `weights` means, which for this process may lie `here`;
    None where there is none, and a fault where there should be one.
    """
    if weights in (None, NO_WEIGHTS):
        return None, []
    folder = here or (shipped_folder(weights) if weights in SHIPPED else Path(weights))
    if folder.is_dir():
        return folder, []
    names = [*SHIPPED, NO_WEIGHTS]
    expected = listed(["a folder that exists", *names]) + nearest(weights, names)
    return None, [_parameter_fault("weights", weights, expected)]


def _adopted(
    settings: Settings, folder: Path, weights: str, rows: Sequence[Row], cohort: str, methods: Sequence[str]
) -> tuple[Settings, dict[str, str], list[Fault]]:
    """Return a cohort's settings as the models in a folder need them, the models' paths within it, and faults; the
    user knows the folder as `weights`.
    """
    networks = networks_of(methods)
    optional = _trained(weights, networks) or _optional(rows, cohort, methods)
    settings, models, faults = adopt_weights(
        settings, folder, cohort=cohort, name=weights, networks=networks, optional=optional
    )
    if faults and weights in SHIPPED:
        expected = "a cohort with the window and spacing of those weights, such as --cohort head_neck_ct"
        faults.append(_parameter_fault("weights", weights, expected))
    return settings, models, faults


def _untrained_faults(methods: Sequence[str]) -> list[Fault]:
    """Return a fault for the methods that cannot answer without a network, where there is to be none."""
    able = [method for family in FAMILIES if family.without or not family.networks for method in family.methods]
    unable = [method for method in methods if method not in able]
    if not unable:
        return []
    expected = f"trained networks for {listed(unable, 'and')}, or only methods that need none: {listed(able, 'and')}"
    return [_parameter_fault("weights", NO_WEIGHTS, expected)]


def _own(family: Family, methods: Sequence[str], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that only a family's own tasks depend on."""
    own: dict[str, Any] = {"methods": [method for method in family.methods if method in methods]}
    if family.name == "grey":
        own["template_stride"] = parameters["template_stride"]
    if family.name == "registration":
        own["registration_supports"] = parameters["registration_supports"]
    return own


def _unable(
    rows: Sequence[Row], cohort: str, methods: Sequence[str], models: Mapping[str, str] | None
) -> dict[str, str]:
    """Return the families that cannot answer in a cohort, with the reason: those that learn from labels, where no
    training scan has one or, with trained `models`, where their network is missing.
    """
    found: dict[str, str] = {}
    for family in families_of(methods):
        if models is not None:
            missing = [network for network in family.networks if network not in models]
            if missing and family.learns:
                found[family.name] = f"the weights hold no {listed(missing, 'and no')} model for {cohort}"
        elif family.learns == BY_LABELS and not _labelled(rows, cohort):
            found[family.name] = f"no training scan of {cohort} has a label"
    return found


def _seen(rows: Sequence[Row], cohorts: Sequence[str], methods: Sequence[str], trained: bool) -> list[str]:
    """Return a warning for each cohort in which a method is tested on labels that it learns from."""
    told = {BY_LABELS: "scans", BY_SUPPORTS: "supports"}
    return [
        f"cohort {cohort}: {family.name} learns from the labels of {told[family.learns]} that are queries as well; "
        "what it finds there is no test of it (a column split keeps them apart)."
        for cohort in cohorts
        for family in families_of(methods)
        if family.learns
        and not trained
        and any(
            row.cohort == cohort
            and row.query
            and row.label
            and (row.train if family.learns == BY_LABELS else row.support)
            for row in rows
        )
    ]


def _optional(rows: Sequence[Row], cohort: str, methods: Sequence[str]) -> list[str]:
    """Return the networks that a folder of weights may lack: those that learn from labels, where the cohort has none
    to learn from and other methods answer.
    """
    families = families_of(methods)
    if len(families) == 1 or _labelled(rows, cohort):
        return []
    return [family.networks[-1] for family in families if family.learns == BY_LABELS]


def _labelled(rows: Sequence[Row], cohort: str) -> bool:
    """Tell whether a training scan of a cohort has a label."""
    return any(row.cohort == cohort and row.train and row.label for row in rows)


def _parameter_fault(name: str, value: str, expected: str) -> Fault:
    """Return the fault of a parameter's value."""
    return Fault(file="command line", column=name, value=value, expected=expected, kind="parameter")


def _called(path: Path, parameters: Mapping[str, Any], settings_file: Path | None) -> str:
    """Return what the user calls a settings file, which lies elsewhere for this process."""
    if settings_file is not None and path == settings_file:
        return str(parameters["cohort"])
    # The shipped files have no faults.
    folder = parameters["cohort_folder"]
    return str(path) if folder is None else f"{folder}/{path.name}"


def _measured(rows: Sequence[Row], cohort: str) -> bool:
    """Tell whether a cohort has a query whose label tells the truth about the answers of another scan's support."""
    members = [row for row in rows if row.cohort == cohort]
    return any(
        query.query and query.label and any(row.support and row.subject != query.subject for row in members)
        for query in members
    )


def is_settings_file(cohort: str) -> bool:
    """Tell whether the parameter `cohort` names a settings file and not a cohort."""
    return "/" in cohort or cohort.endswith(SUFFIXES)


def _add_default(cohort: str, known: dict[str, Path], settings_file: Path | None) -> tuple[str, list[Fault]]:
    """Return the name of the default cohort, add its file to the known ones where it is given as a file, and faults."""

    def fault(expected: str) -> list[Fault]:
        return [_parameter_fault("cohort", cohort, expected)]

    if not is_settings_file(cohort):
        hint = f"a cohort with settings: {listed(sorted(known))}{nearest(cohort, known)}, or a YAML file"
        return cohort, [] if cohort in known else fault(hint)
    path, name = settings_file or Path(cohort), Path(cohort).stem
    faults = [] if path.is_file() else fault("a settings file that exists")
    if not NAME.fullmatch(name):
        faults += fault(f"a file NAME.yml whose NAME has {NAME_EXPECTED}")
    if path.is_file():
        known[name] = path
    return name, faults


def _read(
    path: Path,
    name: str,
    parameters: Mapping[str, Any],
    cohort: str,
    known: Mapping[str, Path],
    exists: Callable[[str], bool] | None,
    *,
    training: bool,
) -> Sheet:
    """Read the sheet with the run's parameters; a sheet that cannot be read has a fault and no rows. `training` tells
    whether the run trains a network and so needs scans for that.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        fault = Fault(file=name, value=error.strerror, expected="a sample sheet that can be read")
        # Without --input there is no sheet, which is said of the parameter.
        return Sheet(name, faults=(fault,) if "input" in parameters else ())
    # The default cohort's fault is said once, as the parameter's, and not again for each row.
    return parse_sheet(
        content,
        name=name,
        cohort=cohort,
        cohorts={*known, cohort},
        exists=exists,
        training=training,
        queries_per_task=parameters["queries_per_task"],
    )
