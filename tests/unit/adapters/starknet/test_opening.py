"""The shipped artefacts that deploy and identify our contract."""

from __future__ import annotations

import gzip
import json

from starknet_py.common import create_sierra_compiled_contract
from starknet_py.hash.sierra_class_hash import compute_sierra_class_hash

from veriframe.adapters.starknet.connection import CLASSES
from veriframe.adapters.starknet.opening import read_class_hashes


def test_the_shipped_class_has_the_hash_by_which_ours_is_known() -> None:
    """Money is sent to no other class, and no other is declared: the hash is recomputed from the class."""
    sierra = gzip.decompress((CLASSES / "job_registry.sierra.json.gz").read_bytes()).decode()
    computed = compute_sierra_class_hash(create_sierra_compiled_contract(sierra))
    hashes = json.loads((CLASSES / "job_registry.hashes.json").read_text())
    assert computed == int(hashes["class_hash"], 16)
    assert computed in read_class_hashes(CLASSES)
