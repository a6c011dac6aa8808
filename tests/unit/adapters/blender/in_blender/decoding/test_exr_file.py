"""Strict reading of OpenEXR: the header first."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests import decoding

exr_file = decoding.script("exr_file")


def test_another_size_is_detected_before_a_row_is_decompressed(tmp_path: Path) -> None:
    """fault_86: the header is enough, even if the file has no pixels."""
    file = tmp_path / "frame.exr"
    random = np.random.default_rng(1)
    exr_file.write(file, {name: random.random((60, 160), dtype=np.float32) for name in "RGBA"})
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(exr_file.NotAPictureError) as wrong:
        exr_file.read(file, 64, 36)
    assert (wrong.value.code, str(wrong.value)) == ("WRONG_SIZE", "it has 160×60 pixels, not 64×36")
    with pytest.raises(exr_file.NotAPictureError) as damaged:
        exr_file.read(file, 160, 60)
    assert damaged.value.code == "NOT_IMAGE"
