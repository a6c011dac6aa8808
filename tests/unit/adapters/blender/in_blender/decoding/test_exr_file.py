"""Strict reading of OpenEXR: the header first."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from veriframe.adapters.blender import runtimes


def _load(name: str) -> Any:
    # The scripts are not part of the worker's packages: they run outside it as top-level modules.
    spec = importlib.util.spec_from_file_location(name, runtimes.SCRIPTS / "decoding" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


png_file = sys.modules.get("png_file") or _load("png_file")
exr_file = _load("exr_file")


def test_another_size_is_detected_before_a_row_is_decompressed(tmp_path: Path) -> None:
    """fault_86: the header is enough, even if the file has no pixels."""
    file = tmp_path / "frame.exr"
    exr_file.write(file, np.random.default_rng(1).random((60, 160, 4), dtype=np.float32))
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(exr_file.NotAPictureError) as wrong:
        exr_file.read(file, 64, 36)
    assert (wrong.value.code, str(wrong.value)) == ("WRONG_SIZE", "it has 160×60 pixels, not 64×36")
    with pytest.raises(exr_file.NotAPictureError) as damaged:
        exr_file.read(file, 160, 60)
    assert damaged.value.code == "NOT_IMAGE"
