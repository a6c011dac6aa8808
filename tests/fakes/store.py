"""A content store in memory. Its CIDs are those of one raw block, whatever the size of the file."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from veriframe.errors import Code, JobRejected, SettingsError, StoreUnavailable
from veriframe.model.cid import Cid, Codec, canonical
from veriframe.ports import ContentStore, Pin


class FakeStore(ContentStore):
    """Files in a dictionary by CID, folders by name only. `fault`, while set, meets every call."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.folders: set[str] = set()
        self.pinned: list[Pin] = []
        self.fault: Exception | None = None

    def keep(self, content: bytes) -> str:
        """Put bytes in from the side; returns their CID."""
        cid = str(Cid(Codec.RAW, hashlib.sha256(content).digest()))
        self.files[cid] = content
        return cid

    async def add(self, source: Path, pin_name: str) -> str:
        """Keep a file, or a folder."""
        self._fail()
        if source.is_dir():  # noqa: ASYNC240 - small files of tests
            cid = self._keep_folder(source)
        elif source.is_file():  # noqa: ASYNC240
            cid = self.keep(source.read_bytes())  # noqa: ASYNC240
        else:
            raise SettingsError(f"{source} is not there.")
        await self.pin(Pin(cid=cid, name=pin_name))
        return cid

    async def fetch(self, cid: str, target: Path, limit_bytes: int) -> int:
        """Bring a file."""
        self._fail()
        # Tests may keep files under names that are no CIDs.
        key = cid if cid in self.files else canonical(cid)
        if key in self.folders:
            raise JobRejected(Code.NOT_A_FILE, f"{cid} is a folder.")
        if key not in self.files:
            raise JobRejected(Code.NOT_FOUND, f"Nobody has {cid}.")
        content = self.files[key]
        if len(content) > limit_bytes:
            raise JobRejected(Code.TOO_LARGE, f"{cid} is larger than {limit_bytes} bytes.")
        target.write_bytes(content)  # noqa: ASYNC240 - small files of tests
        return len(content)

    async def pin(self, pin: Pin) -> None:
        """Keep under one more name."""
        self._fail()
        if pin.cid not in self.files and pin.cid not in self.folders:
            raise StoreUnavailable(f"{pin.cid} is not in the store.")
        if pin not in self.pinned:
            self.pinned.append(pin)

    async def unpin(self, pin: Pin) -> None:
        """Release one name."""
        self._fail()
        self.pinned = [other for other in self.pinned if other != pin]

    async def pins(self) -> Sequence[Pin]:
        """All pins."""
        self._fail()
        return tuple(self.pinned)

    def _keep_folder(self, source: Path) -> str:
        digest = hashlib.sha256()
        entries = sorted(source.rglob("*"))
        if not entries:
            raise SettingsError(f"{source} is empty.")
        for entry in entries:
            digest.update(f"{entry.relative_to(source)}\0".encode())
            digest.update(entry.read_bytes() if entry.is_file() else b"")
        cid = str(Cid(Codec.DAG_PB, digest.digest()))
        self.folders.add(cid)
        return cid

    def _fail(self) -> None:
        if self.fault is not None:
            raise self.fault
