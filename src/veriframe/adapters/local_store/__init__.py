"""The embedded content store: a folder that keeps files under the CIDs that Kubo gives them."""

from veriframe.adapters.local_store.store import LocalStore

__all__ = ["LocalStore"]
