"""The content store: files and folders by CID, pins, and free room."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from veriframe.errors import Code, JobRejected, SettingsError
from veriframe.model.content.folder import FolderLimits, check_path
from veriframe.model.quantities import format_size


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """A reason to keep content, such as a job's asset or result. Its name allows its release."""

    cid: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """The progress of an add or a fetch, in bytes of files. `total_bytes` is None while it is unknown."""

    done_bytes: int
    total_bytes: int | None


OnTransfer = Callable[[Transfer], None]
"""Called often during a transfer, and always at its end. Runs in the event loop's thread: must be quick."""


def ignore_transfer(_: Transfer) -> None:
    """Ignore the progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreRoom:
    """How full a store is, in bytes of content. None: the store does not report it.

    `free_bytes` can be added without breaking a pin; `held_bytes` are not freed automatically. `remedy` is
    one sentence on how to make more room.
    """

    free_bytes: int | None = None
    held_bytes: int | None = None
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchLimits:
    """What may be fetched: a file of up to `file_bytes`, a folder within `folder`. None: not at all."""

    file_bytes: int | None = None
    folder: FolderLimits | None = None

    def check_file(self, cid: str, size_bytes: int) -> None:
        """Raise `JobRejected` (NOT_A_FILE, TOO_LARGE) if a file of this size may not be fetched."""
        if self.file_bytes is None:
            raise JobRejected(Code.NOT_A_FILE, f"{cid} is a file, not a folder.")
        if size_bytes > self.file_bytes:
            raise JobRejected(Code.TOO_LARGE, f"{cid} is larger than {format_size(self.file_bytes)}.")

    def check_folder(self, cid: str) -> FolderLimits:
        """The limits of a folder. Raises `JobRejected` (NOT_A_FILE) if none may be fetched."""
        if self.folder is None:
            raise JobRejected(Code.NOT_A_FILE, f"{cid} is a folder. Give the CID of one file.")
        return self.folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What came: a file or a folder, and the bytes of its files."""

    is_folder: bool
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreCheck:
    """A question that `veriframe doctor` asks about a part of a store, called `name`.

    `tell` returns, by place, why that place does not serve, or "". `is_required`: the store fails without it.
    """

    name: str
    tell: Callable[[], Awaitable[Mapping[str, str]]]
    is_required: bool = False


MOST_FILE_BYTES = 2**18
"""The largest file that `with_file` puts into a folder: one block."""


def check_new_file(name: str, content: bytes) -> None:
    """Raise `SettingsError` if `with_file` cannot put such a file into a folder."""
    try:
        if "/" in name:
            raise ValueError
        check_path(name, FolderLimits(size_bytes=0))
    except (ValueError, JobRejected):
        raise SettingsError(f"{name[:80]!a} cannot be the name of a file in a folder.") from None
    if len(content) > MOST_FILE_BYTES:
        raise SettingsError(
            f"{name} has {format_size(len(content))}; at most {format_size(MOST_FILE_BYTES)} are possible."
        )


MOST_READ_BYTES = 4 * 2**20
"""The most bytes of one `read`."""


def check_range(offset: int, length: int) -> None:
    """Raise `ValueError` for a range that `read` cannot return."""
    if offset < 0 or not 0 <= length <= MOST_READ_BYTES:
        raise ValueError(f"{length} bytes from {offset} on cannot be read at once")


def path_names(path: str) -> Sequence[str]:
    """The names that a path within a folder leads through; none for the folder itself.

    Raises `JobRejected` (CORRUPT, TOO_LARGE) for a path that no folder has.
    """
    names = path.split("/") if path else []
    for depth in range(1, len(names) + 1):
        check_path("/".join(names[:depth]), FolderLimits(size_bytes=0))
    return names


def no_entry(cid: str, path: str) -> JobRejected:
    """The refusal of an entry that a folder lacks."""
    return JobRejected(Code.CORRUPT, f"The folder {cid} has no entry {path[-200:]!a}.")


def partial_name(cid: str) -> str:
    """The name of what is partly fetched, in its target's folder. `cid` has the canonical spelling."""
    return f".veriframe-fetch-{cid}"


class ContentStore(Protocol):
    """Files and folders by CID. All methods raise `StoreUnavailable`; bytes are checked on every read."""

    @abstractmethod
    async def add(self, source: Path, pin_name: str, on_progress: OnTransfer = ignore_transfer) -> str:
        """Add a file, or a folder of files and folders, pinned as `pin_name`. Returns its CIDv1.

        Raises `SettingsError` for what is missing, unreadable or cannot be stored (links in folders, pipes,
        devices, empty folders, names that are not UTF-8) and for a name of a pin that is too long;
        `JobError` (UPLOAD) if the source was changed meanwhile; `StoreFull` if there is no room for it.
        """

    @abstractmethod
    async def fetch(
        self,
        cid: str,
        target: Path,
        limits: FetchLimits,
        on_progress: OnTransfer = ignore_transfer,
        path: str = "",
    ) -> Fetched:
        """Download a file or a folder to `target`, completely or not at all, over what is there.

        With `path`, such as `frames/frame_0001.png`, only that entry of the folder `cid`. What has arrived
        may stay as `partial_name(…)` of what is fetched in the target's folder, so that a later call can
        resume. Raises `JobRejected`: BAD_CID, NOT_FOUND (nobody has it), NOT_A_FILE (`limits` does not allow
        a file, or a folder; or the path leads through a file), TOO_LARGE, CORRUPT (also for links, for unfit
        names, and for an entry that the folder lacks); `HostUnavailable` if the target cannot be written: a
        file replaces no folder.
        """

    @abstractmethod
    async def read(self, cid: str, path: str, offset: int, length: int) -> bytes:
        """The bytes `offset … offset + length - 1` of the file at `path` in the folder `cid`, checked.

        With the path "", of the file `cid` itself. Fewer bytes come only at the end of the file, none behind
        it; nothing is kept. Where the store is on a network, only the blocks of the range and those above
        them are fetched. So the position of a range is what those blocks say. Raises `JobRejected` as `fetch`
        does (NOT_A_FILE for a folder; TOO_LARGE for a range of too many blocks), and `ValueError` for more
        than `MOST_READ_BYTES` or a negative number.
        """

    @abstractmethod
    async def with_file(self, folder_cid: str, name: str, content: bytes, pin_name: str) -> str:
        """A folder of this store with one file at its top added or replaced, pinned. Returns its CID.

        It is the CID that `add` gives to such a folder; nothing else of the folder is sent again. Raises
        `JobRejected` (BAD_CID, NOT_A_FILE for a file), `SettingsError` for more than `MOST_FILE_BYTES`, for a
        name that no file has, and for a folder of thousands of entries at its top.
        """

    @abstractmethod
    async def pin(self, pin: Pin) -> None:
        """Pin content that the store already has under another name."""

    @abstractmethod
    async def unpin(self, pin: Pin) -> None:
        """Remove a pin; content without pins may be deleted. Ignores unknown pins."""

    @abstractmethod
    async def pins(self, prefix: str = "") -> Sequence[Pin]:
        """The pins whose names start with `prefix`: all pins by default."""

    @abstractmethod
    async def ready(self) -> None:
        """Return if the store answers; quick, however much it holds."""

    @abstractmethod
    async def room(self) -> StoreRoom:
        """The room that is free now. Other users of the store may take it."""

    async def tidy(self) -> None:
        """Remove what fetches of a killed process left in the store, at the start of a run. Never raises.

        Does nothing by default, for stores that keep nothing of a fetch.
        """
        return

    async def close(self) -> None:
        """Close all connections. May be called twice. Does nothing by default, for stores without any."""
        return

    def checks(self) -> Sequence[StoreCheck]:
        """What `veriframe doctor` should ask besides `ready`, `pins` and `room`: nothing by default."""
        return ()
