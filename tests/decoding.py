"""The scripts of the clean sandbox as modules, which run outside the worker's packages."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from veriframe.adapters.blender import runtimes


def script(name: str) -> Any:
    """One of them, such as `png_file`."""
    for folder in (runtimes.SCRIPTS, runtimes.SCRIPTS / "decoding"):
        if str(folder) not in sys.path:
            sys.path.append(str(folder))
    return importlib.import_module(name)
