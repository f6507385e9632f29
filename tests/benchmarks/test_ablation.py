"""What each part of `matched` is worth: each variant replaces what is there."""

from __future__ import annotations

import pytest

from benchmarks.ablation import VARIANTS, Variant


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.words)
def test_what_a_variant_replaces_is_there(variant: Variant) -> None:
    assert all(name in vars(owner) for owner, name, _ in variant.instead)
