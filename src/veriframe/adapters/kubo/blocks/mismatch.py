"""Content that is not what its CID names."""

from __future__ import annotations


class ContentMismatch(Exception):
    """The source sent something else than what was requested: too many bytes, wrong bytes, or too few."""
