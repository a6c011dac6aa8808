"""Content that is not what its CID names."""

from __future__ import annotations


class ContentMismatch(Exception):
    """What comes is not what was asked for: too many bytes, or the wrong ones, or an early end for good."""
