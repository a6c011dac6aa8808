"""A folder with one file at its top added or replaced, as a block that links to what is there already."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from veriframe.adapters.kubo.blocks.mismatch import fits
from veriframe.adapters.kubo.blocks.protobuf import bytes_field, varint_field
from veriframe.adapters.kubo.blocks.unixfs import FolderBlock, Link, ShardBlock, decode_block
from veriframe.errors import Code, JobRejected, SettingsError, StoreUnavailable
from veriframe.model.content.cid import Cid, Codec

_FOLDER = b"\x08\x01"
"""A UnixFS message: type 1, a folder."""

MOST_NAMES_BYTES = 2**18
"""From this many bytes of names and CIDs on, `ipfs add` divides a folder into shards."""


@dataclass(frozen=True, slots=True)
class ChangedFolder:
    """The folder's CID, and the blocks that are new, with their CIDs."""

    cid: Cid
    blocks: tuple[tuple[Cid, bytes], ...]


def folder_with(folder: Cid, block: bytes, name: str, content: bytes) -> ChangedFolder:
    """Returns the folder whose root is `block` with this file, whose content is of one block.

    Raises `JobRejected` (NOT_A_FILE) for a file, `SettingsError` for a sharded folder, `StoreUnavailable` if
    the block does not match its CID.
    """
    if not fits(folder, block):
        raise StoreUnavailable(f"The IPFS node returned bytes that do not match {folder}.")
    decoded = decode_block(folder, block)
    if isinstance(decoded, ShardBlock):
        raise _too_many(folder)
    if not isinstance(decoded, FolderBlock):
        raise JobRejected(Code.NOT_A_FILE, f"{folder} is a file, not a folder.")
    file = Cid(Codec.RAW, sha256(content).digest())
    kept = [link for link in decoded.entries if link.name != name]
    # In the order of their bytes, as `ipfs add` has them.
    links = sorted([*kept, Link(file, name, len(content))], key=lambda link: link.name.encode())
    if sum(len(link.name.encode()) + len(_binary(link.cid)) for link in links) >= MOST_NAMES_BYTES:
        raise _too_many(folder)
    changed = b"".join(map(_link, links)) + bytes_field(1, _FOLDER)
    cid = Cid(Codec.DAG_PB, sha256(changed).digest())
    return ChangedFolder(cid, ((file, content), (cid, changed)))


def _link(link: Link) -> bytes:
    """Returns a link in the strict form of DAG-PB: its CID, name and total size."""
    fields = bytes_field(1, _binary(link.cid)) + bytes_field(2, link.name.encode())
    return bytes_field(2, fields + varint_field(3, link.total_bytes))


def _binary(cid: Cid) -> bytes:
    return bytes((1, cid.codec, 0x12, 0x20)) + cid.digest


def _too_many(folder: Cid) -> SettingsError:
    return SettingsError(
        f"The folder {folder} has too many entries at its top for a file to be put into it."
        " Move its files into subfolders."
    )
