"""What a node's API answers, as far as it is read here. The names are Kubo's."""

from __future__ import annotations

from veriframe.adapters.kubo.node.api import Answer


class Added(Answer):
    """A file or a folder that was added."""

    Name: str
    Hash: str


class Pinned(Answer):
    """One pin."""

    Cid: str
    Name: str = ""


class Pins(Answer):
    """CIDs that are now pinned, or no longer."""

    Pins: list[str]


class Key(Answer):
    """The CID of a block."""

    Key: str


class Version(Answer):
    """The version of the node."""

    Version: str
