"""A scene that failed on this worker: the creator, the reason and the conditions."""

from __future__ import annotations

from dataclasses import dataclass

from veriframe.errors import Code
from veriframe.model.registry.job import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One refusal or failed render of a scene.

    `conditions` is a digest of the Blender build and of all limits: under other conditions the scene may
    succeed. `at` is in Unix seconds. `asset_cid` has the canonical spelling.
    """

    asset_cid: str
    creator: Address
    code: Code
    detail: str
    conditions: str
    at: float
