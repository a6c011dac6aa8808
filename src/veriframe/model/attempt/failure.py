"""A scene that failed here: whose job it was, why, and under which conditions."""

from __future__ import annotations

from dataclasses import dataclass

from veriframe.errors import Code
from veriframe.model.registry.job import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One refusal or failed render of a scene.

    `conditions` is a digest of the Blender build and of the limits that it failed under: under others it may
    well succeed. `at` is Unix seconds. `asset_cid` has the canonical spelling.
    """

    asset_cid: str
    creator: Address
    code: Code
    detail: str
    conditions: str
    at: float
