"""Pins on the disk: an empty file for each pin, in a folder for each CID. Each is created in one step."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, unquote

from veriframe.disk import sync_folder
from veriframe.errors import SettingsError
from veriframe.ports.store import Pin

MAX_NAME_BYTES = 255
"""The limit of file names on Linux, and of pin names in Kubo."""

_PREFIX = "pin-"


class PinFolder:
    """The pins in one folder. Changes are durable on return. Callers must hold the store's lock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, pin: Pin) -> None:
        """Adds a pin; adding it twice has no effect. Raises `SettingsError` if the name is too long."""
        file = self._file(pin)
        if not file.parent.is_dir():
            file.parent.mkdir(mode=0o700)
            sync_folder(self.folder)
        file.touch(mode=0o600)
        sync_folder(file.parent)

    def remove(self, pin: Pin) -> None:
        """Removes a pin, if it exists."""
        file = self._file(pin)
        try:
            file.unlink()
        except FileNotFoundError:
            return
        sync_folder(file.parent)
        # Fails while there are other pins.
        with suppress(OSError):
            file.parent.rmdir()

    def all(self) -> Sequence[Pin]:
        """All pins, by CID and name."""
        return sorted(
            (
                Pin(cid=file.parent.name, name=unquote(file.name.removeprefix(_PREFIX)))
                for file in self.folder.glob(f"*/{_PREFIX}*")
            ),
            key=lambda pin: (pin.cid, pin.name),
        )

    def pinned(self) -> frozenset[str]:
        """The CIDs that have at least one pin."""
        return frozenset(pin.cid for pin in self.all())

    def _file(self, pin: Pin) -> Path:
        name = _PREFIX + quote(pin.name, safe="")
        if len(name) > MAX_NAME_BYTES:
            raise SettingsError(f"The pin name “{pin.name[:40]}…” is too long. Use at most 80 characters.")
        return self.folder / pin.cid / name
