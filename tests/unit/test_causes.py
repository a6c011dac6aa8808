"""Causes of errors in words: never a library's own text."""

from __future__ import annotations

import errno
import os
import socket
import sqlite3
import ssl
from pathlib import Path

import aiohttp
import pytest
from aiohttp import ClientConnectorError
from aiohttp.client_reqrep import ConnectionKey

from veriframe.causes import cause_of, connection_cause, may_pass

KEY = ConnectionKey("127.0.0.1", 5001, False, True, None, None, None)
ERRORS = [
    FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "/secret/path"),
    OSError(errno.ENOSPC, "text of the system", "/secret/path"),
    OSError("only a text"),
    ConnectionResetError(),
    TimeoutError("only a text"),
    TimeoutError(),
    socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
    ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:992)"),
    ssl.SSLCertVerificationError(1, "self-signed certificate"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    ClientConnectorError(KEY, ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed")),
    ClientConnectorError(KEY, socket.gaierror(socket.EAI_NONAME, "Name or service not known")),
    aiohttp.ServerDisconnectedError(),
]
RAW = ("[", "_ssl.c", "Errno", "Connect call", "ssl:default", "only a text", "/secret/path", "codec")


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_no_text_of_a_library_is_passed_on(error: Exception) -> None:
    """fault_121: neither `[Errno 2]` nor `ssl:default [Connect call failed …]` reaches a person."""
    for said in (cause_of(error), connection_cause(error)):
        assert [raw for raw in RAW if raw in said] == []
        assert said.rstrip(".") == said != ""


def test_a_refused_connection_and_an_unknown_name_differ() -> None:
    """Also where aiohttp wraps them: the remedies differ."""
    refused, unknown = ConnectionRefusedError(errno.ECONNREFUSED, ""), socket.gaierror(socket.EAI_NONAME, "")
    for plain in (refused, unknown):
        assert cause_of(ClientConnectorError(KEY, plain)) == cause_of(plain)
    assert cause_of(refused) != cause_of(unknown)


def test_a_database_that_is_in_use_or_damaged(tmp_path: Path) -> None:
    """fault_121: by the codes of SQLite, not by its texts."""
    file = tmp_path / "file.sqlite"
    with sqlite3.connect(file) as first, sqlite3.connect(file, timeout=0) as second:
        first.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError) as busy:
            second.execute("SELECT * FROM sqlite_master")
    first.close()
    second.close()
    assert cause_of(busy.value) == "another program uses it"
    file.write_bytes(b"no database" * 100)
    damaged = sqlite3.connect(file)
    with pytest.raises(sqlite3.DatabaseError) as raised:
        damaged.execute("SELECT * FROM sqlite_master")
    damaged.close()
    assert cause_of(raised.value) == "it is not a database"


@pytest.mark.parametrize(
    ("number", "passes"),
    [(errno.ENOSPC, True), (errno.EMFILE, True), (errno.EROFS, False), (errno.EACCES, False)],
)
def test_a_place_that_cannot_be_written_stays_so(number: int, passes: bool) -> None:
    """fault_189: waiting helps against a full disk, not against a read-only one."""
    assert may_pass(OSError(number, "")) is passes
