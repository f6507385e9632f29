"""The profiles that no machine of ours can run as a whole: what they configure, and the commands that come of it."""

from __future__ import annotations

import re
import subprocess
from itertools import combinations
from pathlib import Path

import pytest

import rprloc
from tests.pipeline.stand_ins import write_stand_ins
from tests.runs import ROOT, run


def configuration(name: str) -> str:
    """The text of a profile, without comments."""
    text = (ROOT / "conf" / f"{name}.config").read_text(encoding="utf-8")
    return re.sub(r"^ *//.*\n", "", text, flags=re.MULTILINE)


ENGINES = ("docker", "podman", "singularity", "apptainer", "charliecloud")
SCHEDULERS = ("slurm", "sge", "pbs", "lsf")
FAMILIES = (ENGINES, SCHEDULERS)
"""Profiles of which one excludes the others."""
PROFILES = ("standard", "gpu", "conda", "demo", "test", *ENGINES, *SCHEDULERS)


def settings(name: str) -> dict[str, str]:
    """What a profile sets, by the whole name of the setting, `process.executor`."""
    if name == "standard":
        return {"process.executor": "'local'"}
    text, found = configuration(name), settings("cluster") if name in SCHEDULERS else {}
    blocks: list[str] = []
    for line in text.splitlines():
        indent = (len(line) - len(line.lstrip())) // 4
        if opened := re.fullmatch(r"\s*(\w+(?:: '[^']+')?) \{", line):
            blocks = [*blocks[:indent], opened[1]]
        elif (given := re.fullmatch(r"\s*(\w+) = (.*)", line)) and indent <= len(blocks):
            found[".".join([*blocks[:indent], given[1]])] = given[2]
    return found


def test_every_profile_is_of_the_list() -> None:
    text = (ROOT / "nextflow.config").read_text(encoding="utf-8")
    named = re.findall(r"^    (\w+) \{$", text[text.index("profiles {") : text.index("report {")], re.MULTILINE)
    assert sorted(named) == sorted(PROFILES)
    for name in SCHEDULERS:
        assert f"    {name} {{\n        includeConfig 'conf/cluster.config'\n" in text
    assert settings("slurm")["process.executor"] == "'slurm'"
    assert settings("slurm")["executor.queueSize"] == "200"
    assert "process.containerOptions" in settings("docker") and "process.accelerator" in settings("gpu")


@pytest.mark.parametrize(("one", "other"), list(combinations(PROFILES, 2)))
def test_the_order_of_two_profiles_does_not_matter(one: str, other: str) -> None:
    """What both set they set alike; of two engines or schedulers a run takes one alone, and says so."""
    if any(one in family and other in family for family in FAMILIES) or {one, other} == {"demo", "test"}:
        return
    first, second = settings(one), settings(other)
    # `standard` is what one gets without -profile.
    both = {name for name in first.keys() & second.keys() if first[name] != second[name]} - {"process.executor"}
    assert not both, (one, other)


def test_no_profile_selects_processes() -> None:
    """One parser merges two blocks of the same selector, the other one takes the last, in the order of the profiles."""
    for path in (ROOT / "conf").glob("*.config"):
        assert not re.search(r"with(Name|Label)", configuration(path.stem)), path


def test_the_image_is_that_of_this_version() -> None:
    version = rprloc.__version__
    assert f"version = '{version}'" in (ROOT / "nextflow.config").read_text(encoding="utf-8")
    assert f"container = 'rprloc:{version}'" in configuration("docker")
    assert f"container = 'localhost/rprloc:{version}'" in configuration("podman")
    assert f'container = "${{projectDir}}/containers/rprloc-{version}"' in configuration("charliecloud")
    assert f'container = "${{projectDir}}/containers/rprloc-{version}.sif"' in configuration("singularity")
    for recipe in ("Dockerfile", "Singularity.def"):
        named = re.findall(r"rprloc[:-](\d+\.\d+\.\d+)", (ROOT / "containers" / recipe).read_text(encoding="utf-8"))
        assert set(named) == {version}, recipe


def test_an_image_without_cuda_has_all_other_packages() -> None:
    """The recipe's own selection of the locked packages, where an index with torch's CPU build is given."""
    (program,) = re.findall(
        r"awk '(.+)' runtime\.txt", (ROOT / "containers" / "Dockerfile").read_text(encoding="utf-8")
    )
    locked = ROOT / "assets" / "setup" / "runtime.txt"
    chosen = subprocess.run(["awk", program, locked], text=True, capture_output=True, check=True).stdout

    def names(text: str) -> set[str]:
        return set(re.findall(r"^([a-z][\w.-]*)==", text, re.MULTILINE))

    left_out = names(locked.read_text(encoding="utf-8")) - names(chosen)
    assert {"torch", "torchvision", "triton"} < left_out
    assert all(name.startswith(("torch", "triton", "nvidia-", "cuda-")) for name in left_out)
    assert chosen.count("--hash=sha256:") > 100 and "numpy==" in chosen


def test_apptainer_is_singularity_by_another_name() -> None:
    assert configuration("apptainer") == configuration("singularity").replace("singularity", "apptainer")


def test_a_container_gets_the_tasks_gpu_a_home_and_the_checkpoints() -> None:
    for engine in ENGINES:
        text = configuration(engine)
        assert f"{engine} {{\n    enabled = true" in text
        assert "envWhitelist = 'CUDA_VISIBLE_DEVICES'" in text
        assert set(re.findall(r"^    (\w+) = ", text[text.index("env {") : text.index("process {")], re.MULTILINE)) == {
            "HOME", "USER", "RPRLOC_IMAGE", "MPLCONFIGDIR", "TORCHINDUCTOR_CACHE_DIR",
        }  # fmt: skip
        (training,) = [line for line in text.splitlines() if "in ['TRAIN', 'TEACH']" in line]
        assert "nextflow.util.Escape.path(launchDir.resolve(params.checkpoints))" in training
    assert "runOptions = '-u $(id -u):$(id -g)'" in configuration("docker")


def test_a_gpu_is_asked_for_with_profile_gpu_only_and_its_options_where_a_task_asks() -> None:
    for path in (ROOT / "conf").glob("*.config"):
        text = configuration(path.stem)
        assert ("accelerator = " in text) == (path.stem == "gpu")
        for line in text.splitlines():
            if re.search(r"--gpus|--nv|params\.slurm_gres", line):
                assert "task.accelerator ?" in line, (path, line)


def test_the_number_of_tasks_is_where_the_option_qs_finds_it() -> None:
    """In executor's own scope: in one of an executor by name the option would change nothing."""
    for name in ("base", "cluster"):
        text = configuration(name)
        assert "queueSize = " in text[text.index("executor {") :] and "$local" not in text


def test_commands_of_gpu_slurm_singularity(tmp_path: Path) -> None:
    """A stub run with stand-ins for Slurm and Singularity: what they are asked for."""
    made = write_stand_ins(tmp_path, ["sbatch", "squeue", "singularity"], left=tmp_path / "work")
    for name in "abcd":
        (tmp_path / f"{name}.nii.gz").touch()
    sheet = "subject,image,label,split\na,a.nii.gz,,train\nb,b.nii.gz,a.nii.gz,validation\nc,c.nii.gz,,test\n"
    (tmp_path / "samples.csv").write_text(sheet + "d,d.nii.gz,,test\n", encoding="utf-8")
    # Of the pipeline's own recipe, which is looked for.
    image = tmp_path / f"rprloc-{rprloc.__version__}.sif"
    image.touch()
    (tmp_path / "quick.config").write_text(
        f"executor.pollInterval = '200 ms'\nprocess.container = '{image}'\n", encoding="utf-8"
    )
    before = ["env", f"PATH={made.path}"]
    asked = ["-profile", "test,gpu,slurm,singularity", "--slurm_account", "lab1", "--slurm_gres=--gpus=1"]
    asked += ["--input", "samples.csv", "--checkpoints", "states of trainings", "-c", "quick.config", "-stub"]
    done = run(tmp_path, *asked, before=before)
    assert done.status == 0, done.output
    (told,) = [line for line in done.output.splitlines() if "WARN" in line or "ERROR" in line]
    assert "found jobs that a run left in Slurm's queue (nf-RPRLOC_LEARN_TRAIN_(c_coarse) 77), expected none" in told
    assert told.endswith("end them with: scancel 77")
    jobs = {path.read_text(encoding="utf-8") for path in made.record.glob("job.*")}
    headers = {text: [line[8:] for line in text.splitlines() if line.startswith("#SBATCH ")] for text in jobs}
    names = {text: next(line for line in lines if line.startswith("-J ")) for text, lines in headers.items()}
    assert len(jobs) == 9
    for text, lines in headers.items():
        asked = [line for line in lines if line.startswith(("--account", "--g"))]
        network = re.search("TRAIN|TEACH|LOCALIZE", names[text])
        assert asked == ["--account=lab1 --gpus=1" if network else "--account=lab1"], names[text]
        assert ("--array 0-3" in lines) == ("PREPROCESS" in names[text])
    containers = [path.read_text(encoding="utf-8") for path in made.record.glob("container.*")]
    with_gpu = [text for text in containers if " --nv " in text]
    with_states = [text for text in containers if f"--bind {tmp_path}/states of trainings " in text]
    assert (len(containers), len(with_gpu), len(with_states)) == (14, 3, 2)
    assert set(with_states) <= set(with_gpu)
    assert (tmp_path / "states of trainings").is_dir()
