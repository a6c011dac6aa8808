"""What makes renders differ is found although some of the scene cannot be read."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from veriframe.adapters.blender import runtimes


@pytest.fixture
def differences(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module that runs inside Blender, without one."""
    sight = ModuleType("region_sight")
    vars(sight).update(readers=None, tells_machine=None)
    monkeypatch.setitem(sys.modules, "bpy", ModuleType("bpy"))
    monkeypatch.setitem(sys.modules, "region_sight", sight)
    spec = importlib.util.spec_from_file_location("differences", runtimes.SCRIPTS / "differences.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Broken:
    """A modifier whose bake fills the disk."""

    name, show_render = "baked", True

    @property
    def type(self) -> str:
        """Fails."""
        raise OSError(28, "No space left on device")


def test_what_cannot_be_read_is_not_repeatable(differences: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """fault_365: and it does not hide what comes after it."""
    cloth = SimpleNamespace(
        name="cloth", show_render=True, type="CLOTH", point_cache=SimpleNamespace(is_baked=False)
    )
    items = [
        SimpleNamespace(name=name, modifiers=[modifier], pose=None, rigid_body=None)
        for name, modifier in (("first", Broken()), ("second", cloth))
    ]
    render = SimpleNamespace(engine="BLENDER_EEVEE_NEXT")
    scene = SimpleNamespace(render=render, objects=items, animation_data=None)
    monkeypatch.setattr(differences, "bpy", SimpleNamespace(context=SimpleNamespace(scene=scene)))
    monkeypatch.setattr(differences, "readers", lambda _: ())
    monkeypatch.setattr(differences, "used_objects", lambda _: items)
    found = list(differences.unrepeatable())
    assert found[0].startswith("baked of first, which cannot be read (")
    assert found[1:] == ["unbaked simulation cloth of second"]
