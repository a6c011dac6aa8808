"""Whether a registry admits our account as a worker: said once at a start, and at the end of `--once`."""

from __future__ import annotations

import structlog

from veriframe.errors import MoveRefused
from veriframe.ports.registry import OpenedRegistry

log = structlog.get_logger()

NOT_ADMITTED = "NOT_ADMITTED"
"""The rule of a registry that does not let an account work."""


async def log_admission(opened: OpenedRegistry) -> None:
    """Logs what is missing before the account may work there, if anything. Raises `RegistryUnavailable`."""
    if opened.membership is not None:
        standing = await opened.membership.standing()
        if remedy := standing.remedy(opened.worker.account):
            log.warning("account_not_admitted", standing=standing.words, remedy=remedy)


async def require_admission(opened: OpenedRegistry) -> None:
    """Raises `MoveRefused` with the remedy if the registry does not let the account work now."""
    if opened.membership is not None:
        standing = await opened.membership.standing()
        if remedy := standing.remedy(opened.worker.account):
            raise MoveRefused(NOT_ADMITTED, f"The registry does not let this account work. {remedy}")
