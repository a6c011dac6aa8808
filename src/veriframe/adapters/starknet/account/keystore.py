"""The key of an account: encrypted at rest (Web3 Secret Storage, scrypt), and never shown.

The format is that of starkli and of Ethereum wallets, so a keystore made here opens there and the other
way round. Every file is opened once and judged by what was opened; its content is hostile until checked.
No error here carries a value that was read, and none is chained to one that does.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import secrets
import stat
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Literal, NoReturn, SupportsIndex

from eth_keyfile.exceptions import EthKeyfileValueError
from eth_keyfile.keyfile import create_keyfile_json, decode_keyfile_json, normalize_keys
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from starknet_py.constants import EC_ORDER
from starknet_py.hash.utils import message_signature, private_to_stark_key

from veriframe.disk import sync_folder
from veriframe.errors import HostUnavailable, SettingsError
from veriframe.ownership import foreign_owner

SCRYPT_N = 2**18
"""How hard a password is to guess: 256 MiB and half a second a guess, as wallets have it."""

FILE_BYTES = 64 * 1024
"""No keystore and no accounts file is larger."""

# Importing eth_keyfile imports py_ecc, which lifts this limit to 100 000 for the whole process. Then any
# deeply nested JSON from a stranger overflows the real stack: a crash in place of a RecursionError.
sys.setrecursionlimit(min(sys.getrecursionlimit(), 1000))

_BRACKETS = 1000
_SCRYPT_BYTES = 2**29
_SCRYPT_WORK = 2**23
_PR_SET_DUMPABLE = 4


class Key:
    """A STARK private key that signs and shows its public side only. It is neither pickled nor copied.

    Raises `SettingsError` where `secret` is no scalar of the curve: 1 … order − 1.
    """

    __slots__ = ("_secret", "public_key")

    def __init__(self, secret: int) -> None:
        if not 0 < secret < EC_ORDER:
            raise SettingsError("This is not a StarkNet key: it is zero, or not below the curve's order.")
        self._secret = secret
        self.public_key: int = private_to_stark_key(secret)

    @classmethod
    def random(cls) -> Key:
        """A new key, from the system's randomness."""
        return cls(secrets.randbelow(EC_ORDER - 1) + 1)

    def sign(self, message_hash: int) -> tuple[int, int]:
        """The signature `(r, s)` of a hash. Takes 70–400 ms of a core: call it in a thread."""
        r, s = message_signature(message_hash, self._secret)
        return r, s

    def encrypted(self, password: bytes, scrypt_n: int = SCRYPT_N) -> str:
        """The text of a keystore that `password` opens. `scrypt_n` is a power of two."""
        content = create_keyfile_json(
            self._secret.to_bytes(32, "big"), password, kdf="scrypt", iterations=scrypt_n
        )
        # It is the Ethereum address of the same secret: of no use here, and nobody should pay it.
        del content["address"]
        return json.dumps(content, indent=2) + "\n"

    def __repr__(self) -> str:
        return f"Key(public_key={self.public_key:#x})"

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError("A key is neither pickled nor copied.")


def protect_process() -> None:
    """Keep this process's memory from others of its user: no debugger, no core dump.

    Call it before a key or a password is in memory. Raises `HostUnavailable`.
    """
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise HostUnavailable("This system does not let a process protect its memory; see docs/keys.md.")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def write(path: Path, key: Key, password: bytes, *, scrypt_n: int = SCRYPT_N) -> None:
    """A new keystore with mode 0600: whole or not at all, and never in place of anything.

    Raises `SettingsError`.
    """
    refuse_existing(path)
    content = key.encrypted(password, scrypt_n).encode()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=".keystore-", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(file.fileno(), 0o600)
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.link(name, path)  # unlike a rename, this never replaces a file
        finally:
            Path(name).unlink(missing_ok=True)
        sync_folder(path.parent)
    except FileExistsError:
        refuse_existing(path)
        raise SettingsError(f"{path} cannot be written: something is in the way.") from None
    except OSError as error:
        raise SettingsError(f"The keystore {path} cannot be written: {error.strerror}.") from error


def refuse_existing(path: Path) -> None:
    """Raises `SettingsError` where there is anything under this name, be it a dangling link."""
    if os.path.lexists(path):
        raise SettingsError(
            f"{path} is there already, and a keystore is never overwritten: choose a new name."
        )


def read(path: Path, password: bytes) -> Key:
    """The key of a keystore. Raises `SettingsError`: no such file, open to others, wrong password, …."""
    return decrypt(read_private(path, "keystore"), password, str(path))


def read_private(path: Path, what: str, limit_bytes: int = FILE_BYTES) -> bytes:
    """The content of a file that nobody but its owner, this user or root, may read.

    `what` it is, for the error's text. A link is followed, since secrets are often mounted so; judged is the
    file that it leads to.

    Raises `SettingsError`.
    """
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise SettingsError(f"The {what} {path} is not a regular file.")
            if owner := foreign_owner(found):
                raise SettingsError(
                    f"The {what} {path} belongs to the user {owner}. If you trust what it holds, make it"
                    " yours by chown."
                )
            if found.st_mode & 0o077:
                raise SettingsError(f"The {what} {path} is open to others. Close it: chmod 600 {path}")
            content = file.read(limit_bytes + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "this is no name of a file"
        raise SettingsError(f"The {what} {path} cannot be read: {reason}.") from None
    if len(content) > limit_bytes:
        raise SettingsError(f"The {what} {path} is larger than {limit_bytes} bytes: it is something else.")
    return content


def _without_waiting(name: str, flags: int) -> int:
    # A pipe that nobody fills would keep us waiting.
    return os.open(name, flags | os.O_NONBLOCK)


def is_keystore(content: bytes) -> bool:
    """Whether these bytes look like a keystore, rather than an accounts file."""
    parsed = parse_json(content)
    return isinstance(parsed, dict) and "crypto" in {str(name).lower() for name in parsed}


def decrypt(content: bytes, password: bytes, name: str) -> Key:
    """The key in the content of a keystore called `name`. Raises `SettingsError` for anything else."""
    parsed = parse_json(content)
    try:
        lowered = normalize_keys(parsed) if isinstance(parsed, dict) else {}
        checked = _Keystore.model_validate(lowered)
    except (ValidationError, RecursionError):
        raise SettingsError(f"{name} is not a keystore that can be used, or it is damaged.") from None
    try:
        secret = decode_keyfile_json(checked.model_dump(), password)
    except EthKeyfileValueError:
        raise SettingsError(f"The password does not open the keystore {name}.") from None
    except (ValueError, TypeError, MemoryError):
        raise SettingsError(f"{name} is not a keystore that can be used, or it is damaged.") from None
    return Key(int.from_bytes(secret, "big"))


def parse_json(content: bytes) -> object:
    """The value, or None where this is no JSON in UTF-8, or JSON nested deeper than any keystore."""
    if content.count(b"[") + content.count(b"{") > _BRACKETS:
        return None
    try:
        return json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError):
        return None


def _hex(low: int, high: int) -> StringConstraints:
    return StringConstraints(pattern=rf"^(0x)?([0-9a-fA-F]{{2}}){{{low},{high}}}$")


class _Checked(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, hide_input_in_errors=True)


class _CipherParameters(_Checked):
    iv: Annotated[str, _hex(16, 16)]


class _Scrypt(_Checked):
    dklen: Literal[32]
    n: Annotated[int, Field(ge=2, le=2**24)]
    r: Annotated[int, Field(ge=1, le=64)]
    p: Annotated[int, Field(ge=1, le=64)]
    salt: Annotated[str, _hex(1, 64)]

    @model_validator(mode="after")
    def _affordable(self) -> _Scrypt:
        # A stranger's keystore must not take all memory, or hours.
        if self.n & (self.n - 1) or 128 * self.n * self.r > _SCRYPT_BYTES:
            raise ValueError("n")
        if self.n * self.r * self.p > _SCRYPT_WORK or self.n >= 2 ** (16 * self.r):
            raise ValueError("work")
        return self


class _Pbkdf2(_Checked):
    dklen: Literal[32]
    c: Annotated[int, Field(ge=1, le=10**7)]
    prf: Literal["hmac-sha256"]
    salt: Annotated[str, _hex(1, 64)]


class _Crypto(_Checked):
    cipher: Literal["aes-128-ctr"]
    cipherparams: _CipherParameters
    ciphertext: Annotated[str, _hex(1, 32)]
    kdf: Literal["scrypt", "pbkdf2"]
    kdfparams: _Scrypt | _Pbkdf2
    mac: Annotated[str, _hex(32, 32)]

    @model_validator(mode="after")
    def _fitting(self) -> _Crypto:
        if (self.kdf == "scrypt") != isinstance(self.kdfparams, _Scrypt):
            raise ValueError("kdf")
        return self


class _Keystore(_Checked):
    crypto: _Crypto
    version: Literal[3]
