"""Whether content is what its CID names."""

from __future__ import annotations

from hashlib import sha256

from veriframe.model.content.cid import Cid


class ContentMismatch(Exception):
    """The source sent something else than what was requested: too many bytes, wrong bytes, or too few."""


def fits(cid: Cid, block: bytes) -> bool:
    """Whether a block's bytes match its CID."""
    return sha256(block).digest() == cid.digest
