"""The cohort and the run of tests/pipeline, from which the runs with faults start; here no start is counted."""

from tests.pipeline.conftest import full, phantom, place

__all__ = ["full", "phantom", "place"]
