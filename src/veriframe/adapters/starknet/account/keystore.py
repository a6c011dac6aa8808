"""An account's key: encrypted at rest (Web3 Secret Storage, scrypt), and never shown.

The format is that of starkli and of Ethereum wallets, so keystores are interchangeable. Every file is opened
once, and the opened file is checked; its content is untrusted until validated. No error here contains a value
that was read, and none is chained to an error that does.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import secrets
import stat
import sys
from pathlib import Path
from typing import Annotated, Literal, NoReturn, SupportsIndex

from crypto_cpp_py.utils import cpp_generate_k_rfc6979
from eth_keyfile.exceptions import EthKeyfileValueError
from eth_keyfile.keyfile import create_keyfile_json, decode_keyfile_json, normalize_keys
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from starknet_py.constants import EC_ORDER
from starknet_py.hash.utils import message_signature, private_to_stark_key

from veriframe.causes import cause_of
from veriframe.disk import write_new
from veriframe.errors import HostUnavailable, SettingsError
from veriframe.model.quantities import format_size
from veriframe.ownership import ROOT, foreign_owner

SCRYPT_N = 2**18
"""The cost of guessing a password: 256 MiB and half a second for each guess, as in wallets."""

FILE_BYTES = 64 * 1024
"""The largest keystore or accounts file that is read."""

# Importing eth_keyfile imports py_ecc, which raises this limit to 100 000 for the whole process. Then deeply
# nested untrusted JSON overflows the real stack: a crash instead of a RecursionError.
sys.setrecursionlimit(min(sys.getrecursionlimit(), 1000))

_BRACKETS = 1000
_SCRYPT_BYTES = 2**29
_SCRYPT_WORK = 2**23
_PR_SET_DUMPABLE = 4
_NONCE_SEED = 32
"""What starknet_py mixes into the nonce."""
_BELOW = 2**251
"""Starknet's bound for `r` and for the inverse of `s`."""


class Key:
    """A STARK private key that signs and shows only its public key. It cannot be pickled or copied.

    Raises `SettingsError` if `secret` is not a scalar of the curve: 1 … order − 1.
    """

    __slots__ = ("_secret", "public_key")

    def __init__(self, secret: int) -> None:
        if not 0 < secret < EC_ORDER:
            raise SettingsError("This is not a StarkNet key: it is zero or not below the curve's order.")
        self._secret = secret
        self.public_key: int = private_to_stark_key(secret)

    @classmethod
    def random(cls) -> Key:
        """A new key from the system's random source."""
        return cls(secrets.randbelow(EC_ORDER - 1) + 1)

    def sign(self, message_hash: int) -> tuple[int, int]:
        """The signature `(r, s)` of a hash: ECDSA (FIPS 186-5, 6.4) with a nonce by RFC 6979.

        It is the one that starknet_py makes, in a thirtieth of the time: 6 ms of a core, where the library's
        own signing takes 190 ms. Its multiplication for public keys is as good for the nonce's point.
        """
        nonce = cpp_generate_k_rfc6979(message_hash, self._secret, _NONCE_SEED)
        r = private_to_stark_key(nonce)
        s = pow(nonce, -1, EC_ORDER) * (message_hash + r * self._secret) % EC_ORDER
        if not (0 < r < _BELOW and 0 < pow(s, -1, EC_ORDER) < _BELOW):
            # Once in 2**55 signatures. The library draws another nonce.
            r, s = message_signature(message_hash, self._secret)
        return r, s

    def encrypted(self, password: bytes, scrypt_n: int = SCRYPT_N) -> str:
        """The text of a keystore that `password` decrypts. `scrypt_n` is a power of two."""
        content = create_keyfile_json(
            self._secret.to_bytes(32, "big"), password, kdf="scrypt", iterations=scrypt_n
        )
        # The Ethereum address of the same secret: of no use here, and nobody should pay to it.
        del content["address"]
        return json.dumps(content, indent=2) + "\n"

    def __repr__(self) -> str:
        return f"Key(public_key={self.public_key:#x})"

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError("A key cannot be pickled or copied.")


def protect_process() -> None:
    """Protects this process's memory from the user's other processes: no debugger, no core dump.

    Call it before a key or a password is in memory. Raises `HostUnavailable`.
    """
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise HostUnavailable("This system does not let a process protect its memory; see docs/keys.md.")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def write(path: Path, key: Key, password: bytes, *, scrypt_n: int = SCRYPT_N) -> None:
    """Writes a new keystore with mode 0600, all of it or nothing. Never overwrites a file.

    Raises `SettingsError`.
    """
    refuse_existing(path)
    content = key.encrypted(password, scrypt_n).encode()
    try:
        write_new(path, content)
    except FileExistsError:
        refuse_existing(path)
        raise SettingsError(f"{path} cannot be written: it already exists.") from None
    except OSError as error:
        raise SettingsError(f"The keystore {path} cannot be written: {cause_of(error)}.") from error


def refuse_existing(path: Path) -> None:
    """Raises `SettingsError` if anything has this name, even a dangling link."""
    if os.path.lexists(path):
        raise SettingsError(f"{path} already exists, and a keystore is never overwritten: choose a new name.")


def read(path: Path, password: bytes) -> Key:
    """Reads the key of a keystore. Raises `SettingsError`: no such file, open to others, wrong password."""
    return decrypt(read_private(path, "keystore"), password, str(path))


def read_private(path: Path, what: str, limit_bytes: int = FILE_BYTES) -> bytes:
    """Reads a file that only its owner may read; the owner must be this user or root.

    `what` names the file in errors. Links are followed, since secrets are often mounted as links; the checks
    apply to the target.

    Raises `SettingsError`.
    """
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise SettingsError(f"The {what} {path} is not a regular file.")
            if owner := foreign_owner(found):
                raise SettingsError(
                    f"The {what} {path} belongs to the user {owner}. If you trust its content, take"
                    " ownership with chown."
                )
            if not _is_private(found):
                raise SettingsError(f"The {what} {path} is open to others. Close it: chmod 600 {path}")
            content = file.read(limit_bytes + 1)
    except (OSError, ValueError) as error:
        reason = cause_of(error) if isinstance(error, OSError) else "this is not a file name"
        raise SettingsError(f"The {what} {path} cannot be read: {reason}.") from None
    if len(content) > limit_bytes:
        raise SettingsError(
            f"The {what} {path} is larger than {format_size(limit_bytes)}: it is another kind of file."
        )
    return content


def _is_private(found: os.stat_result) -> bool:
    """Whether only its owner may read it. systemd hands over secrets of root's as 0440, if not as 0400."""
    handed_over = stat.S_IMODE(found.st_mode) == 0o440 and found.st_uid == found.st_gid == ROOT
    return handed_over or not found.st_mode & 0o077


def _without_waiting(name: str, flags: int) -> int:
    # Opening a pipe without a writer would block.
    return os.open(name, flags | os.O_NONBLOCK)


def is_keystore(content: bytes) -> bool:
    """Whether these bytes look like a keystore rather than an accounts file."""
    parsed = parse_json(content)
    return isinstance(parsed, dict) and "crypto" in {str(name).lower() for name in parsed}


def decrypt(content: bytes, password: bytes, name: str) -> Key:
    """Decrypts the content of a keystore called `name`. Raises `SettingsError` if it cannot."""
    parsed = parse_json(content)
    try:
        lowered = normalize_keys(parsed) if isinstance(parsed, dict) else {}
        checked = _Keystore.model_validate(lowered)
    except (ValidationError, RecursionError):
        raise SettingsError(f"{name} is not a supported keystore, or it is damaged.") from None
    try:
        secret = decode_keyfile_json(checked.model_dump(), password)
    except EthKeyfileValueError:
        raise SettingsError(f"The password does not open the keystore {name}.") from None
    except (ValueError, TypeError, MemoryError):
        raise SettingsError(f"{name} is not a supported keystore, or it is damaged.") from None
    return Key(int.from_bytes(secret, "big"))


def parse_json(content: bytes) -> object:
    """Parses JSON. Returns None if this is not JSON in UTF-8, or nested deeper than any keystore."""
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
        # An untrusted keystore must not use up all memory, or take hours.
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
