"""Real nodes for tests. Where a program is not there, the test is skipped with what to run.

The nodes are those of `tools/private_nodes.py`, the fixtures and the skipping are in `tests/conftest.py`.
"""

from __future__ import annotations

from tools.private_nodes import (
    ROOT,
    STRK_ADDRESS,
    Devnet,
    Kubo,
    NodeFailed,
    NodeMissing,
    TestAccount,
    devnet,
    find,
    kubo,
)

__all__ = [
    "ROOT",
    "STRK_ADDRESS",
    "Devnet",
    "Kubo",
    "NodeFailed",
    "NodeMissing",
    "TestAccount",
    "devnet",
    "find",
    "kubo",
]
