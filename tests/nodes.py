"""Nodes for tests. If a program is missing, the test is skipped and says what to run.

The nodes are those of `tools/private_nodes.py`; fixtures and skipping are in `tests/conftest.py`.
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
