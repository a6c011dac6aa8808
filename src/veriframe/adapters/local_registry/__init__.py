"""The embedded job registry: the contract's rules over one SQLite file that several processes share."""

from veriframe.adapters.local_registry.audit import Audit
from veriframe.adapters.local_registry.registry import WALLET_FRI, LocalRegistry, local_address

__all__ = ["WALLET_FRI", "Audit", "LocalRegistry", "local_address"]
