"""Loads settings once, in this order: flag, environment, `veriframe.toml`, default.

An unknown name is an error in each source. pydantic-settings is not used because it ignores unknown
environment names and does not report where a value came from.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from veriframe.errors import SettingsError
from veriframe.ownership import judge_home, judge_place, read_trusted
from veriframe.settings import faults
from veriframe.settings.values import Settings

PREFIX = "VERIFRAME_"
CONFIG_NAME = "veriframe.toml"

CLASSIC_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "STARKNET_RPC": "starknet_rpc",
        "IPFS_API": "ipfs_api",
        "JOB_REGISTRY_ADDRESS": "job_registry_address",
        "BLENDER_PATH": "blender_path",
    }
)
"""The environment names that work without the prefix."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings, and the origin of each value: flag, a variable, a file or default."""

    settings: Settings
    origins: Mapping[str, str]

    def is_default(self, name: str) -> bool:
        """Whether a setting has its default value because no source sets it."""
        return self.origins[name] == "default"


def load(flags: Mapping[str, str], environ: Mapping[str, str], config: Path | None = None) -> Loaded:
    """Read all sources. `config` is a TOML file; by default `veriframe.toml` in the working folder, if any.

    Raises `SettingsError` with the setting, its source and the allowed values.
    """
    layers = [_from_flags(flags), _from_environment(environ), _from_file(config)]
    values: dict[str, Any] = {}
    origins = dict.fromkeys(Settings.model_fields, "default")
    for layer in reversed(layers):
        for name, (value, origin) in layer.items():
            values[name], origins[name] = value, origin
    try:
        settings = Settings(**values)
    except ValidationError as error:
        raise faults.unusable(error, origins) from error
    home = _expanded(settings.home).absolute()
    settled = {
        "home": home,
        "registry": _registry(settings),
        "store": _store(settings, origins),
    }
    judge_home(home)
    return Loaded(settings.model_copy(update=settled), origins)


_Layer = dict[str, tuple[Any, str]]


def _from_flags(flags: Mapping[str, str]) -> _Layer:
    for name in flags:
        if name not in Settings.model_fields:
            raise faults.unknown(name, f"The setting “{name}”")
    return _without_empty({name: (value, "flag") for name, value in flags.items()})


def _from_environment(environ: Mapping[str, str]) -> _Layer:
    layer: _Layer = {}
    for variable, value in environ.items():
        if variable in CLASSIC_NAMES:
            layer.setdefault(CLASSIC_NAMES[variable], (value, f"environment {variable}"))
        elif variable.startswith(PREFIX):
            name = variable.removeprefix(PREFIX).lower()
            if name not in Settings.model_fields:
                raise faults.unknown(name, f"The environment variable {variable}", _variable)
            layer[name] = (value, f"environment {variable}")
    return _without_empty(layer)


def _from_file(config: Path | None) -> _Layer:
    path = config or Path(CONFIG_NAME)
    # A link counts, wherever it leads. `Path.exists` raises an error in a folder that may not be entered.
    if config is None and not os.path.lexists(path):
        return {}
    try:
        if config is None:
            judge_place(path)
        content = tomllib.loads(read_trusted(path))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise faults.unreadable(path, error) from error
    for name in content:
        if name not in Settings.model_fields:
            raise faults.unknown(name, f"“{name}” in {path}")
    return _without_empty({name: (value, f"file {path}") for name, value in content.items()})


def _without_empty(layer: _Layer) -> _Layer:
    """An empty value means "not set": so shells and compose files say it, and a file of `config init`."""
    return {name: entry for name, entry in layer.items() if entry[0] != ""}


def _expanded(home: Path) -> Path:
    try:
        return home.expanduser()
    except RuntimeError as error:
        raise SettingsError(
            f"{home} has no meaning here: HOME is not set, and the system knows no such user. Set"
            " VERIFRAME_HOME to a folder, from its root."
        ) from error


def _variable(name: str) -> str:
    return f"{PREFIX}{name.upper()}"


def _registry(settings: Settings) -> str:
    """Resolve “auto”. Raises `SettingsError` if the contract's address is missing."""
    if settings.registry == "auto":
        return "local" if settings.job_registry_address is None else "starknet"
    if settings.registry == "starknet" and settings.job_registry_address is None:
        raise SettingsError("registry is starknet, but JOB_REGISTRY_ADDRESS is not set. Set it, in hex.")
    return settings.registry


def _store(settings: Settings, origins: Mapping[str, str]) -> str:
    """Resolve “auto”: a configured node is used."""
    if settings.store != "auto":
        return settings.store
    on_chain = _registry(settings) == "starknet"
    return "kubo" if on_chain or origins["ipfs_api"] != "default" else "local"
