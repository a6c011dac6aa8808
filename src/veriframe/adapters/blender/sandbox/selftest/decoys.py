"""The self-test's decoys outside the sandbox: a secret, open folders, listeners and a process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import signal
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from veriframe import disk
from veriframe.adapters.blender.sandbox import temporary, visible
from veriframe.adapters.blender.sandbox.selftest.attacks.attempt import DECOY_FILE

_WRITTEN = "written-from-inside"
_OPEN_TO_ALL = ("open", "shown", "late")


@dataclass(slots=True)
class Decoys:
    """The decoys of one self-test. `reached` names the listeners that an attack has connected to."""

    folder: Path
    decoy: asyncio.subprocess.Process
    mark: str = field(default_factory=lambda: secrets.token_hex(8))
    reached: set[str] = field(default_factory=set)

    @property
    def shown(self) -> Path:
        """The read-only folder. The sandbox user has write permission, so only the sandbox denies it."""
        return self.folder / "shown"

    @property
    def late(self) -> Path:
        """Another such folder, which is empty until a sandbox shows it and `deliver_late` is called."""
        return self.folder / "late"

    def deliver_late(self) -> None:
        """Gives a waiting sandbox its input, like a scene."""
        visible.deliver(self.shown / DECOY_FILE, self.late / DECOY_FILE)

    def new_out(self) -> Path:
        """Creates a new, empty output folder."""
        return Path(tempfile.mkdtemp(prefix="out-", dir=self.folder))

    def succeeded(self) -> Mapping[str, str]:
        """Returns the attacks that succeeded as seen from outside, whatever was reported inside."""
        seen = {
            "write_outside": (self.folder / "open" / _WRITTEN).exists(),
            "write_shown": any((folder / _WRITTEN).exists() for folder in (self.shown, self.late)),
            "signal_outside": self.decoy.returncode is not None,
            "connect_network": "network" in self.reached,
            "connect_unix": "unix" in self.reached,
            "leave_process": bool(self.survivors()),
        }
        return {name: "seen from outside" for name, happened in seen.items() if happened}

    def survivors(self) -> list[int]:
        """Returns the process ids of a run that outlived it."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    if self.mark.encode() in (entry / "cmdline").read_bytes():
                        found.append(int(entry.name))
        return found

    def end_survivors(self) -> None:
        """Kills the processes that a run left behind."""
        for pid in self.survivors():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@asynccontextmanager
async def set_up(bombs: Mapping[str, int]) -> AsyncIterator[Decoys]:
    """Creates the decoys and removes them afterwards. `bombs` maps keys of the decoys to the bombs' amounts.

    All files are written before any access is granted, and no other user of this machine ever gets access.
    """
    secret, decoy_mark, unix_name = (secrets.token_hex(16) for _ in range(3))
    async with contextlib.AsyncExitStack() as stack:
        folder = stack.enter_context(temporary.locked("decoys"))
        stack.callback(disk.remove, folder)
        for name in _OPEN_TO_ALL:
            (folder / name).mkdir()
        _write(folder / "secret", secret)
        decoy = await stack.enter_async_context(_decoy(decoy_mark, secret))
        decoys = Decoys(folder, decoy)
        stack.callback(decoys.end_survivors)
        ports = await stack.enter_async_context(_listeners(decoys, unix_name))
        contents = {
            "secret": secret,
            "secret_file": str(folder / "secret"),
            "open_folder": str(folder / "open"),
            "decoy_pid": str(decoy.pid),
            "decoy_mark": decoy_mark,
            "unix_path": str(folder / "socket"),
            "unix_name": unix_name,
            "linger_seconds": "30",
            **ports,
            **{name: str(amount) for name, amount in bombs.items()},
        }
        _write(decoys.shown / DECOY_FILE, json.dumps(contents))
        for name in _OPEN_TO_ALL:
            (folder / name).chmod(0o777)
        visible.grant_access(folder)
        yield decoys


def _write(path: Path, text: str) -> None:
    """Writes a new file that every user with access to its folder may read. Follows no links."""
    with path.open("x") as file:
        file.write(text)
        os.fchmod(file.fileno(), 0o644)


@asynccontextmanager
async def _decoy(mark: str, secret: str) -> AsyncIterator[asyncio.subprocess.Process]:
    # It waits on a pipe of this process, so it ends with it, even if that is killed.
    decoy = await asyncio.create_subprocess_exec(
        "/bin/sh", "-c", "read line", mark, stdin=asyncio.subprocess.PIPE, env={"PASSWORD": secret}
    )
    try:
        yield decoy
    finally:
        with contextlib.suppress(ProcessLookupError):
            decoy.kill()
        await decoy.wait()


@asynccontextmanager
async def _listeners(decoys: Decoys, unix_name: str) -> AsyncIterator[Mapping[str, str]]:
    loop = asyncio.get_running_loop()

    def answer(kind: str) -> type[asyncio.Protocol]:
        class Listener(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                decoys.reached.add(kind)
                transport.close()

        return Listener

    class Datagrams(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, address: object) -> None:
            decoys.reached.add("network")

    path = decoys.folder / "socket"
    tcp = await loop.create_server(answer("network"), "127.0.0.1", 0)
    udp, _ = await loop.create_datagram_endpoint(Datagrams, local_addr=("127.0.0.1", 0))
    named = await loop.create_unix_server(answer("unix"), path)
    abstract = await loop.create_unix_server(answer("unix"), "\0" + unix_name)
    path.chmod(0o777)
    try:
        yield {
            "tcp_port": str(tcp.sockets[0].getsockname()[1]),
            "udp_port": str(udp.get_extra_info("sockname")[1]),
        }
    finally:
        udp.close()
        for server in (tcp, named, abstract):
            server.close()
