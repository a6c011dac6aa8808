"""What is shipped to tell our contract from others."""

from __future__ import annotations

from pathlib import Path

from veriframe.adapters.starknet.joining import CLASSES
from veriframe.adapters.starknet.opening import read_class_hashes

ARTIFACTS = Path(__file__).parents[4] / "contracts" / "artifacts"


def test_the_contract_as_it_is_built_now_is_ours() -> None:
    """Money goes to no other class: a rebuilt contract must be known before it is deployed."""
    built = read_class_hashes(ARTIFACTS)
    assert len(built) == 1
    assert built <= read_class_hashes(CLASSES)
