"""The addresses of keystores' accounts, noted when a keystore is unlocked, so that reading needs no password.

It only tells which jobs are a person's own. A note that cannot be written or read is no fault.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

from veriframe.disk import write_new
from veriframe.model.registry.job import NOBODY, Address, format_address
from veriframe.model.registry.ledger import is_account

FOLDER = "accounts"


def note(home: Path, keystore: Path, address: Address) -> None:
    """Notes the address of a keystore's account, unless there is a note."""
    with suppress(OSError):
        write_new(_place(home, keystore), f"{format_address(address)}\n".encode())


def read(home: Path, keystore: Path) -> Address:
    """The noted address; `NOBODY` if there is none."""
    with suppress(OSError, ValueError):
        noted = int(_place(home, keystore).read_bytes()[:80], 16)
        return Address(noted) if is_account(noted) else NOBODY
    return NOBODY


def _place(home: Path, keystore: Path) -> Path:
    # By content: another file under the same name is another account. Raises `OSError`.
    return home / FOLDER / hashlib.sha256(keystore.read_bytes()).hexdigest()[:32]
