"""The embedded job registry: the contract's rules over one SQLite file that several processes share."""

from veriframe.adapters.local_registry.audit import Audit
from veriframe.adapters.local_registry.reader import WALLET_FRI, local_address
from veriframe.adapters.local_registry.registry import LocalRegistry

__all__ = ["WALLET_FRI", "Audit", "LocalRegistry", "local_address"]
