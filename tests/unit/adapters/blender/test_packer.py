"""The packer's own reading of what a script in the sandbox has left."""

import json
import tracemalloc
from pathlib import Path

import pytest

from veriframe.adapters.blender import packer
from veriframe.errors import Code, JobRejected

_MANY = 20_000


@pytest.mark.parametrize(
    "changes",
    [
        {"files": [{}] * _MANY},
        {f"{number:x}": 0 for number in range(_MANY)},
        {"files": [{f"{number:x}": 0 for number in range(_MANY)}]},
    ],
)
def test_a_listing_with_faults_without_end(tmp_path: Path, changes: dict[str, object]) -> None:
    """fault_280: a scene that took control of the script gets one sentence."""
    listing = tmp_path / "files.json"
    listing.write_text(json.dumps({"files": [], "unknown": [], "machine": [], **changes}))
    tracemalloc.start()
    try:
        with pytest.raises(JobRejected) as refused:
            packer._read(listing)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert refused.value.code is Code.CORRUPT
    assert peak < 64 * listing.stat().st_size
