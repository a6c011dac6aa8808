"""The shell for commands about orders: the same account, with a bundle and a worker."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes.renderer import INSPECTION, Script
from tests.unit.cli.shell import Shell
from tests.unit.creator.orders.studio import RATE, SHOT, Studio

from veriframe.cli import order


@pytest.fixture
def studio(shell: Shell, tmp_path: Path) -> Studio:
    """An artist with a bundle, at the shell's registry and store."""
    (tmp_path / "studio").mkdir()
    shell.app = order.app
    # Of the size of the pictures that are delivered.
    shell.renderer.scripts[SHOT] = Script(
        inspection=replace(INSPECTION, width=16, height=8, frames_per_second=RATE)
    )
    return Studio(tmp_path / "studio", shared=shell.stage.shared, store=shell.stage.store)
