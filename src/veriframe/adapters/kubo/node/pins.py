"""Pins with any number of names for the same content, kept in the node itself.

Kubo keeps one pin, with one name, for each CID; but one scene may be the asset of many jobs. So each pin here
is a small folder of its own, whose only entry links to the content and carries the pin's name. Kubo pins that
folder recursively, under the name `veriframe:<CID>:<name>`. The folder's CID follows from the content's CID
and the name, so that pins are made and released in one step each, by any number of workers on one node, and
no state is kept outside the node. `ipfs pin ls --names --type=recursive` lists them; the content is pinned
indirectly.

A node whose `Provide.Strategy` is `roots` would announce these folders only; the default, `all`, is right.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import quote, unquote

from veriframe.adapters.kubo.blocks.protobuf import bytes_field
from veriframe.errors import JobRejected, SettingsError
from veriframe.model.content.cid import Cid, Codec, parse_cid
from veriframe.ports.store import Pin

MAX_NAME_BYTES = 255
"""The limit for a pin's name in Kubo, and for a name in a folder."""

_PREFIX = "veriframe"
_FOLDER = b"\x08\x01"
"""A UnixFS message: type 1, a folder."""


@dataclass(frozen=True, slots=True)
class PinFolder:
    """The folder that represents a pin: its one block, that block's CID, and Kubo's name for the pin."""

    cid: str
    block: bytes
    kubo_name: str


def pin_folder(content: Cid, name: str) -> PinFolder:
    """Returns the folder for one pin. Raises `SettingsError` if the name is too long."""
    quoted = quote(name, safe="")
    kubo_name = f"{_PREFIX}:{content}:{quoted}"
    if len(kubo_name) > MAX_NAME_BYTES:
        raise SettingsError(f"The pin name “{name[:40]}…” is too long. Use at most 80 characters.")
    binary = bytes((1, content.codec, 0x12, 0x20)) + content.digest
    # DAG-PB, in its strict form: links (field 2) before data (field 1); each link has a CID, a name and a
    # size.
    link = bytes_field(1, binary) + bytes_field(2, f"pin-{quoted}".encode()) + b"\x18\x00"
    block = bytes_field(2, link) + bytes_field(1, _FOLDER)
    return PinFolder(str(Cid(Codec.DAG_PB, sha256(block).digest())), block, kubo_name)


def part_of_name(prefix: str) -> str:
    """Returns a text that is in Kubo's names of all pins whose names start with `prefix`."""
    return f":{quote(prefix, safe='')}"


def read_pin(pinned_cid: str, kubo_name: str) -> Pin | None:
    """Returns the pin that one line of the node's list describes; None for a pin of the operator's own."""
    prefix, _, rest = kubo_name.partition(":")
    cid_text, _, quoted = rest.partition(":")
    if prefix != _PREFIX:
        return None
    name = unquote(quoted, errors="replace")
    try:
        content = parse_cid(cid_text)
        # The name is only a label; the folder's CID proves what is kept.
        if pin_folder(content, name).cid != pinned_cid:
            return None
    except (JobRejected, SettingsError):
        return None
    return Pin(cid=str(content), name=name)
