"""Opens the configured content store. Each kind is imported when it is opened."""

from __future__ import annotations

from collections.abc import Callable

from veriframe.errors import SettingsError
from veriframe.model.text import printable
from veriframe.ports.store import ContentStore
from veriframe.settings import Settings


def open_store(settings: Settings) -> ContentStore:
    """Open the content store that the settings name. Close it with `close`.

    Raises `SettingsError` if it is not known, or its settings cannot be used.
    """
    if settings.store not in STORES:
        raise SettingsError(
            f"The store “{printable(settings.store)}” is not known. Set store to {' or '.join(STORES)}."
        )
    return STORES[settings.store](settings)


def _local(settings: Settings) -> ContentStore:
    from veriframe.adapters.local_store import LocalStore  # noqa: PLC0415

    return LocalStore(settings.home / "store", settings.store_bytes)


def _kubo(settings: Settings) -> ContentStore:
    from veriframe.wiring import ipfs  # noqa: PLC0415

    return ipfs.open_kubo(settings)


STORES: dict[str, Callable[[Settings], ContentStore]] = {"local": _local, "kubo": _kubo}
"""What opens a store, by the name that the setting `store` gives it."""
