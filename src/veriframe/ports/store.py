"""The content store: files and folders by CID, pins, and room."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from veriframe.model.content.folder import FolderLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """Why something is kept: a job's asset, a job's result. Named so that it can be released."""

    cid: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """How far an add or a fetch is, in bytes of files. `total_bytes` is None while it is not known."""

    done_bytes: int
    total_bytes: int | None


OnTransfer = Callable[[Transfer], None]
"""Hears of a transfer, often, and always of its end; in the event loop's thread, and must be quick."""


def ignore_transfer(_: Transfer) -> None:
    """Nobody listens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreRoom:
    """How full a store is, in bytes of content; None: it does not tell.

    `free_bytes` may be added without breaking a pin, `held_bytes` make no room by themselves. `remedy` is
    what a person can do for more room, as one sentence.
    """

    free_bytes: int | None = None
    held_bytes: int | None = None
    remedy: str = ""


def partial_name(cid: str) -> str:
    """The name of what has come of a file, beside its target. `cid`: in its canonical spelling."""
    return f".veriframe-fetch-{cid}"


class ContentStore(Protocol):
    """Files and folders by CID. All methods raise `StoreUnavailable`; bytes are checked on every read."""

    @abstractmethod
    async def add(self, source: Path, pin_name: str, on_progress: OnTransfer = ignore_transfer) -> str:
        """Keep a file, or a folder without empty folders, pinned as `pin_name`. Returns its CIDv1.

        Raises `StoreFull` where there is no room for it.
        """

    @abstractmethod
    async def fetch(
        self, cid: str, target: Path, limit_bytes: int, on_progress: OnTransfer = ignore_transfer
    ) -> int:
        """Put one regular file at `target`, all of it or nothing. Returns its size in bytes.

        What is half-done may stay beside it, for a later try to go on with: named `partial_name(cid)`.
        Raises `JobRejected`: BAD_CID, NOT_FOUND (nobody has it), NOT_A_FILE, TOO_LARGE, CORRUPT.
        """

    @abstractmethod
    async def fetch_folder(
        self, cid: str, target: Path, limits: FolderLimits, on_progress: OnTransfer = ignore_transfer
    ) -> int:
        """Put a folder at `target`, all of it or nothing, in place of what is there.

        Returns the bytes of its files. Raises `JobRejected` like `fetch`: NOT_A_FILE for what is no folder,
        TOO_LARGE for more than `limits`, CORRUPT for links, and for names that no file here may have.
        """

    @abstractmethod
    async def pin(self, pin: Pin) -> None:
        """Keep what is already there, under one more name."""

    @abstractmethod
    async def unpin(self, pin: Pin) -> None:
        """Release one name; what has no name left may be cleaned. Unknown pins are no error."""

    @abstractmethod
    async def pins(self) -> Sequence[Pin]:
        """All pins."""

    @abstractmethod
    async def room(self) -> StoreRoom:
        """How much may be added now. Other users of the same store may be faster."""

    async def tidy(self) -> None:
        """At the start of a run: remove what fetches of a killed one left in the store. Never raises.

        Nothing by default: for stores that keep nothing of what is fetched.
        """
        return
