"""Runs in a real Docker: an image that is missing, one of another commit, and the checkout's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import rprloc
from rprloc.cohort.image import package_hash
from tests.cluster.docker import Docker, base_of, docker, missing
from tests.cluster.servers import served
from tests.runs import run

IMAGE = f"rprloc:{rprloc.__version__}"


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Docker]:
    """A Docker without any image."""
    with served(missing(), docker(tmp_path_factory.mktemp("docker")), "DOCKER_HOST") as started:
        yield started


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return base_of(tmp_path_factory.mktemp("debian"))


def test_an_image_that_is_missing_or_another_commits_is_told_with_the_command_that_makes_it(
    engine: Docker, base: Path, tmp_path: Path, sheet: Path
) -> None:
    asked = ("-profile", "docker,test", "--input", sheet.name, "-stub")
    done = run(tmp_path, *asked)
    build = f"docker build -f containers/Dockerfile -t {IMAGE} ."
    assert done.status == 1
    assert f"profile docker: found no image {IMAGE}, expected it on this machine" in done.output
    assert build in done.output and "registry" not in done.output

    engine.make(IMAGE, base, tmp_path / "other", edited=True)
    done = run(tmp_path, *asked)
    assert done.status == 1
    told = f"rprloc: image {IMAGE}: found rprloc {rprloc.__version__} with code "
    assert (
        told in done.output
        and f"expected the checkout's code {package_hash()[:8]}; make it anew: {build}" in done.output
    )
    assert "CHECK" not in "".join(line for line in done.output.splitlines() if "Submitted" in line)

    engine.ask("image", "rm", IMAGE)
    engine.make(IMAGE, base, tmp_path / "own", edited=False)
    done = run(tmp_path, *asked)
    assert done.status == 0, done.output


def test_two_engines_at_once_are_a_sentence(tmp_path: Path, sheet: Path) -> None:
    done = run(tmp_path, "-profile", "singularity,docker,test", "--input", sheet.name, "-stub")
    assert done.status == 1
    # Nextflow's own sentence.
    assert "Cannot enable more than one container engine -- Choose either one of: docker, singularity" in done.output
