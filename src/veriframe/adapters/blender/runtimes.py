"""Selects the Blender to use: the `bpy` wheel in the worker's Python, or an executable."""

from __future__ import annotations

import copy
import importlib.util
import os
import re
import shutil
import sys
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Protocol

from veriframe.errors import SettingsError
from veriframe.ports.renderer import Kernel

SCRIPTS = Path(__file__).parent / "in_blender"

_SCRIPTS_INSIDE = PurePosixPath("/opt/veriframe/in_blender")
CONFINE = _SCRIPTS_INSIDE / "confine.py"
_ISOLATED = ("-I", "-B")
_RUNTIME_INSIDE = PurePosixPath("/opt/veriframe/runtime")
_USR = Path("/usr")
_RESOURCES = re.compile(r"\d{1,2}\.\d{1,2}")
"""Blender keeps its own files in a folder named after its version, such as `4.5`."""

_KERNELS: Mapping[Kernel, Mapping[str, str]] = {Kernel.BEST: {}, Kernel.SSE: {"CYCLES_CPU_NO_AVX2": "1"}}
"""What Cycles reads when it chooses between AVX2 and SSE4.2. Blender 4.5 has no other such variable."""

Argument = str | PurePosixPath
"""A word of a command line. A path is one inside the sandbox; a level without mounts translates it."""


class Runtime(Protocol):
    """How a script of `in_blender` is started, and which files it needs to run."""

    name: str
    """`bpy wheel` or `Blender executable`."""

    is_blender: bool
    environment: Mapping[str, str]

    @abstractmethod
    def argv(self, script: str, arguments: Sequence[Argument]) -> tuple[Argument, ...]:
        """The command line inside the sandbox. `script` is a file name in `in_blender`."""

    def confined(self, argv: tuple[Argument, ...]) -> tuple[Argument, ...]:
        """The same command line, started by `confine.py`, which hides the host's paths from the program.

        For a sandbox with a `/proc` of its own. The default changes nothing.
        """
        return argv

    @abstractmethod
    def visible(self) -> Mapping[PurePosixPath, Path]:
        """Maps paths inside the sandbox to the files and folders of the host that they show, read-only."""


class WorkerPython(Runtime):
    """The worker's own interpreter with its packages, at paths that reveal nothing about this machine."""

    name = "Python"
    is_blender = False
    environment: Mapping[str, str] = {}

    def argv(self, script: str, arguments: Sequence[Argument]) -> tuple[Argument, ...]:
        """Isolated (`-I`): neither the environment nor the current folder affects imports."""
        return (self._interpreter(), *_ISOLATED, _SCRIPTS_INSIDE / script, *arguments)

    def confined(self, argv: tuple[Argument, ...]) -> tuple[Argument, ...]:
        """Runs the script in the same process as `confine.py`."""
        first = 1 + len(_ISOLATED)
        return (*argv[:first], CONFINE, *argv[first:])

    def visible(self) -> Mapping[PurePosixPath, Path]:
        """The virtual environment, and its base Python unless that is in /usr."""
        shown = {_SCRIPTS_INSIDE: SCRIPTS, **_base_python()}
        if _in_virtual_environment():
            shown[_RUNTIME_INSIDE] = Path(sys.prefix)
        return shown

    def _interpreter(self) -> PurePosixPath:
        if _in_virtual_environment():
            return _RUNTIME_INSIDE / "bin" / "python"
        return _base_interpreter()


class BpyWheel(WorkerPython):
    """Blender as a Python module, embedded in the worker's own interpreter."""

    name = "bpy wheel"
    is_blender = True

    @staticmethod
    def installed() -> bool:
        """Whether the wheel is installed. It is not imported: a broken wheel could crash the worker."""
        return importlib.util.find_spec("bpy") is not None


class BlenderExecutable(Runtime):
    """A Blender executable, as unpacked from blender.org or installed by the system."""

    name = "Blender executable"
    is_blender = True
    environment: Mapping[str, str] = {}

    def __init__(self, path: Path) -> None:
        """`path` is an existing program. Links are followed because its files lie next to it."""
        self.path = path.resolve()

    def argv(self, script: str, arguments: Sequence[Argument]) -> tuple[Argument, ...]:
        """In the background, without the user's settings. Arguments take effect in this order."""
        options = ("-b", "--factory-startup", "--python-exit-code", "1", "--python")
        return (self._program(), *options, _SCRIPTS_INSIDE / script, "--", *arguments)

    def confined(self, argv: tuple[Argument, ...]) -> tuple[Argument, ...]:
        """Runs `confine.py` in the worker's Python, which then executes the program."""
        # If the program is missing, the sandbox reports it.
        return (_base_interpreter(), *_ISOLATED, CONFINE, *argv) if self.path.exists() else argv

    def visible(self) -> Mapping[PurePosixPath, Path]:
        """The program, its libraries and its versioned folders; nothing else in its folder."""
        shown = {_SCRIPTS_INSIDE: SCRIPTS, **_base_python()}
        if not self.path.is_relative_to(_USR):
            for item in (self.path, *self._own_folders()):
                shown[_RUNTIME_INSIDE / item.name] = item
        return shown

    def _program(self) -> PurePosixPath:
        if self.path.is_relative_to(_USR):
            return PurePosixPath(self.path)
        return _RUNTIME_INSIDE / self.path.name

    def _own_folders(self) -> list[Path]:
        beside = sorted(self.path.parent.iterdir())
        return [p for p in beside if p.is_dir() and (p.name == "lib" or _RESOURCES.fullmatch(p.name))]


def with_kernel(runtime: Runtime, kernel: Kernel) -> Runtime:
    """The same Blender, whose Cycles uses this kernel."""
    changed = copy.copy(runtime)
    changed.environment = {**runtime.environment, **_KERNELS[kernel]}
    return changed


def select(blender_path: Path | None) -> Runtime:
    """Selects BLENDER_PATH if it is set, else the `bpy` wheel, else `blender` on PATH.

    Raises `SettingsError` with the remedy if BLENDER_PATH is not a program, or no Blender is installed.
    """
    if blender_path is not None:
        return BlenderExecutable(_program_at(blender_path))
    if BpyWheel.installed():
        return BpyWheel()
    if found := shutil.which("blender"):
        return BlenderExecutable(Path(found))
    raise SettingsError(
        "There is no Blender: neither the bpy wheel in this Python nor “blender” on PATH. "
        "Run: pip install -r requirements.txt, or set BLENDER_PATH to a Blender program."
    )


def _program_at(path: Path) -> Path:
    # A bare name means the program on PATH, as in a shell.
    if path.parent == Path() and not path.exists() and (found := shutil.which(path.name)):
        return Path(found)
    if not path.exists():
        trouble = "does not exist"
    elif path.is_dir():
        trouble = "is a folder"
    elif not os.access(path, os.X_OK):
        trouble = "is not executable"
    else:
        return path
    raise SettingsError(
        f"BLENDER_PATH names {path}, which {trouble}. Set it to the program “blender” itself, "
        "or leave it unset to use the bpy wheel."
    )


def _base_interpreter() -> PurePosixPath:
    return PurePosixPath(os.path.realpath(sys.executable))


def _base_python() -> dict[PurePosixPath, Path]:
    # A virtual environment's interpreter is a link to this one, so it must have the same path inside.
    base = Path(sys.base_prefix).resolve()
    return {} if base.is_relative_to(_USR) else {PurePosixPath(base): base}


def _in_virtual_environment() -> bool:
    return sys.prefix != sys.base_prefix
