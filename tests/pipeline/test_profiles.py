"""The profiles that no machine of ours can run as a whole: what they configure, and the commands that come of it."""

import os
import re
import subprocess
from pathlib import Path

import pytest

import rprloc

ROOT = Path(__file__).resolve().parents[2]
NEXTFLOW = ROOT / ".venv/bin/nextflow"

# A Slurm that runs a job at once, an array's tasks one after the other, and keeps a copy of its script.
SBATCH = """#!/bin/bash
job=$RECORD/job.$$
cp "${@: -1}" "$job"
last=$(sed -n 's/^#SBATCH --array 0-//p' "$job")
if [ "$last" ]; then
  (for i in $(seq 0 "$last"); do SLURM_ARRAY_TASK_ID=$i bash "$job"; done) < /dev/null > /dev/null 2>&1 &
else
  bash "$job" < /dev/null > /dev/null 2>&1 &
fi
echo "Submitted batch job ${job##*.}"
"""
# A container engine that notes its arguments and runs the command on this machine.
ENGINE = """#!/bin/bash
printf '%s ' "${@%%$'\\n'*}" > "$(mktemp "$RECORD/container.XXXXXX")"
while [[ $1 != *.sif ]]; do shift; done
shift
exec "$@"
"""


def configured(folder: Path, profile: str, *options: str) -> dict[str, str]:
    """Return what `nextflow config` says of a profile, name -> value."""
    command = [NEXTFLOW, "config", "-profile", profile, "-flat", *options, ROOT]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=True)
    # A closure goes on over several lines.
    entries = re.split(r"\n(?=[\w.$]+(?:'[^']+')?[\w.]* = )", done.stdout.strip())
    return dict(entry.split(" = ", 1) for entry in entries)


@pytest.fixture(scope="module")
def by_profile(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    folder = tmp_path_factory.mktemp("config")
    profiles = ["standard", "demo,docker", "gpu,slurm,singularity", "slurm,apptainer"]
    return {profile: configured(folder, profile) for profile in profiles}


def test_no_profile_drops_what_the_base_says(by_profile: dict[str, dict[str, str]]) -> None:
    """In 25.04 a profile's selector replaces the base's of the same text, with all that stands in it."""
    base = {name for name in by_profile["standard"] if name.startswith("process.'with")}
    assert any("publishDir" in name for name in base) and any("memory" in name for name in base)
    for profile, settings in by_profile.items():
        assert base <= settings.keys(), profile


def test_an_accelerator_is_asked_for_by_networks_only_and_with_profile_gpu_only(
    by_profile: dict[str, dict[str, str]],
) -> None:
    for profile, settings in by_profile.items():
        asking = {name: value for name, value in settings.items() if name.endswith("accelerator")}
        # REGISTER is a LOCALIZE that has no use for a GPU.
        gpu = {
            "process.'withName:TRAIN|TEACH|LOCALIZE'.accelerator": "1",
            "process.'withName:REGISTER'.accelerator": "null",
        }
        expected = gpu if "gpu" in profile else {}
        assert asking == expected, profile


def test_gpu_options_of_engines_and_slurm_depend_on_the_accelerator(by_profile: dict[str, dict[str, str]]) -> None:
    for profile, settings in by_profile.items():
        for name, value in settings.items():
            if re.search(r"--gpus|--nv|slurm_gres", value) and not name.startswith("params."):
                assert "task.accelerator ?" in value, (profile, name)
                assert "slurm" in value or re.search("TRAIN|TEACH|LOCALIZE", name), (profile, name)


def test_the_image_is_that_of_this_version(by_profile: dict[str, dict[str, str]]) -> None:
    version = rprloc.__version__
    assert by_profile["standard"]["manifest.version"] == f"'{version}'"
    assert by_profile["demo,docker"]["process.container"] == f"'rprloc:{version}'"
    for profile in ("gpu,slurm,singularity", "slurm,apptainer"):
        image = by_profile[profile]["process.container"]
        assert image == f"'{ROOT}/containers/rprloc-{version}.sif'"
    assert "process.container" not in by_profile["standard"]
    for recipe in ("Dockerfile", "Singularity.def"):
        named = re.findall(r"rprloc[:-](\d+\.\d+\.\d+)", (ROOT / "containers" / recipe).read_text(encoding="utf-8"))
        assert set(named) == {version}, recipe


def test_containers_get_the_tasks_gpu_a_home_and_the_checkpoints(by_profile: dict[str, dict[str, str]]) -> None:
    engines = {"demo,docker": "docker", "gpu,slurm,singularity": "singularity", "slurm,apptainer": "apptainer"}
    for profile, engine in engines.items():
        settings = by_profile[profile]
        enabled = [name for name in settings if name in ("docker.enabled", "singularity.enabled", "apptainer.enabled")]
        assert enabled == [f"{engine}.enabled"]
        assert settings[f"{engine}.envWhitelist"] == "'CUDA_VISIBLE_DEVICES'"
        assert {"env.HOME", "env.USER", "env.MPLCONFIGDIR", "env.TORCHINDUCTOR_CACHE_DIR"} <= settings.keys()
        assert "params.checkpoints" in settings["process.'withName:TRAIN|TEACH'.containerOptions"]
        assert "mkdir -p" in settings["process.'withName:TRAIN|TEACH'.beforeScript"]
    assert by_profile["demo,docker"]["docker.runOptions"] == "'-u $(id -u):$(id -g)'"


def test_only_slurm_has_arrays_and_no_limits_of_this_machine(by_profile: dict[str, dict[str, str]]) -> None:
    for profile, settings in by_profile.items():
        slurm = "slurm" in profile
        assert any(name.endswith(".array") for name in settings) == slurm, profile
        assert (settings["process.resourceLimits"] == "null") == slurm, profile
        assert (settings.get("process.executor") == "'slurm'") == slurm, profile
        assert settings["executor.exitReadTimeout"] == "'60 sec'"


def test_commands_of_gpu_slurm_singularity(tmp_path: Path) -> None:
    """A stub run with stand-ins for Slurm and Singularity: what they are asked for."""
    record, bin_folder = tmp_path / "record", tmp_path / "bin"
    record.mkdir()
    bin_folder.mkdir()
    for name, text in (("sbatch", SBATCH), ("squeue", "#!/bin/bash\n"), ("singularity", ENGINE)):
        # Named in full: Nextflow starts the engine with an empty environment.
        (bin_folder / name).write_text(text.replace("$RECORD", str(record)), encoding="utf-8")
        (bin_folder / name).chmod(0o755)
    for name in "abcd":
        (tmp_path / f"{name}.nii.gz").touch()
    sheet = "subject,image,label,split\na,a.nii.gz,,train\nb,b.nii.gz,a.nii.gz,validation\nc,c.nii.gz,,test\n"
    (tmp_path / "samples.csv").write_text(sheet + "d,d.nii.gz,,test\n", encoding="utf-8")
    (tmp_path / "quick.config").write_text("executor.pollInterval = '200 ms'\n", encoding="utf-8")
    command = [NEXTFLOW, "-c", "quick.config", "run", ROOT / "main.nf", "-stub"]
    command += ["-profile", "test,gpu,slurm,singularity", "--slurm_account", "lab1", "--slurm_gres=--gpus=1"]
    command += ["--input", "samples.csv", "--checkpoints", "states of trainings"]
    path = f"{bin_folder}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "NXF_ANSI_LOG": "false"}
    # The engine's wrapper puts .venv/bin first on the PATH, where none of the three commands is.
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    jobs = {path.read_text(encoding="utf-8") for path in record.glob("job.*")}
    headers = {text: [line[8:] for line in text.splitlines() if line.startswith("#SBATCH ")] for text in jobs}
    names = {text: next(line for line in lines if line.startswith("-J ")) for text, lines in headers.items()}
    assert len(jobs) == 7
    for text, lines in headers.items():
        asked = [line for line in lines if line.startswith(("--account", "--g"))]
        network = re.search("TRAIN|TEACH|LOCALIZE", names[text])
        assert asked == ["--account=lab1 --gpus=1" if network else "--account=lab1"], names[text]
        assert ("--array 0-3" in lines) == ("PREPROCESS" in names[text])
    containers = [path.read_text(encoding="utf-8") for path in record.glob("container.*")]
    with_gpu = [text for text in containers if " --nv " in text]
    with_states = [text for text in containers if f"--bind {tmp_path}/states of trainings " in text]
    assert (len(containers), len(with_gpu), len(with_states)) == (11, 3, 2)
    assert set(with_states) <= set(with_gpu)
    assert (tmp_path / "states of trainings").is_dir()


def test_the_number_of_tasks_is_where_the_option_qs_finds_it(by_profile: dict[str, dict[str, str]]) -> None:
    for profile, settings in by_profile.items():
        assert int(settings["executor.queueSize"]) >= 1, profile
        assert not any(name.endswith("queueSize") and "$local" in name for name in settings), profile
