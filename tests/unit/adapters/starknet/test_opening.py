"""What is shipped to deploy our contract, and to tell it from others."""

from __future__ import annotations

import gzip
import json

from starknet_py.common import create_sierra_compiled_contract
from starknet_py.hash.sierra_class_hash import compute_sierra_class_hash

from veriframe.adapters.starknet.connection import CLASSES
from veriframe.adapters.starknet.opening import read_class_hashes


def test_the_shipped_class_has_the_hash_by_which_ours_is_known() -> None:
    """Money goes to no other class, and no other is declared: reckoned anew from the class itself."""
    sierra = gzip.decompress((CLASSES / "job_registry.sierra.json.gz").read_bytes()).decode()
    reckoned = compute_sierra_class_hash(create_sierra_compiled_contract(sierra))
    told = json.loads((CLASSES / "job_registry.hashes.json").read_text())
    assert reckoned == int(told["class_hash"], 16)
    assert reckoned in read_class_hashes(CLASSES)
