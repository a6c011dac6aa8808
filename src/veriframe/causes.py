"""The causes of errors of the system and of libraries, in words: their own texts never reach a person."""

from __future__ import annotations

import errno
import os
import socket
import sqlite3
import ssl

_SYSTEM = {
    errno.ECONNREFUSED: "the connection is refused: nothing listens there",
    errno.ECONNRESET: "the connection broke off",
    errno.EPIPE: "the connection broke off",
    errno.EHOSTUNREACH: "its machine cannot be reached",
    errno.ENETUNREACH: "its network cannot be reached",
    errno.ETIMEDOUT: "no answer in time",
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "this user's share of the disk is full",
    errno.EMFILE: "this process has too many open files",
    errno.ENFILE: "this machine has too many open files",
}
_KINDS: tuple[tuple[type[Exception], str], ...] = (
    (TimeoutError, "no answer in time"),
    (ssl.SSLCertVerificationError, "its certificate is not valid"),
    (ssl.SSLError, "no encrypted connection comes about: see whether its address needs http or https"),
    (UnicodeError, "it is not text in UTF-8"),
)
_SQLITE = {
    sqlite3.SQLITE_BUSY: "another program uses it",
    sqlite3.SQLITE_LOCKED: "another program uses it",
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened",
    sqlite3.SQLITE_READONLY: "it cannot be written",
    sqlite3.SQLITE_PERM: "it cannot be opened",
    sqlite3.SQLITE_IOERR: "its disk has an error",
    sqlite3.SQLITE_CORRUPT: "it is damaged",
    sqlite3.SQLITE_NOTADB: "it is not a database",
}


def cause_of(error: BaseException) -> str:
    """Say in a clause, without a full stop, why something failed. Never the error's own text, nor a path."""
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        return _SQLITE.get(code, f"SQLite reports {getattr(error, 'sqlite_errorname', 'a fault')}")
    for kind, words in _KINDS:
        if isinstance(error, kind):
            return words
    return _of_system(error) if isinstance(error, OSError) else f"it failed ({type(error).__name__})"


def may_pass(error: OSError) -> bool:
    """Whether a file that could not be created may be later: nothing is wrong with its place itself."""
    return error.errno not in _OF_PLACE


_OF_PLACE = frozenset((errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EEXIST))


def connection_cause(error: BaseException) -> str:
    """Say why a request got no answer; `error` may be of an HTTP library."""
    if isinstance(error, OSError):
        return cause_of(error)
    return "the connection broke off, or what answers does not speak HTTP"


def _of_system(error: OSError) -> str:
    # aiohttp's errors of name resolution have the number of a `gaierror`, which is negative.
    if isinstance(error, socket.gaierror) or (error.errno or 0) < 0:
        return "its host name is not known"
    if error.errno in _SYSTEM:
        return _SYSTEM[error.errno]
    if error.errno:
        return os.strerror(error.errno)
    return "the connection broke off" if isinstance(error, ConnectionError) else "the system reports an error"
