"""The text of a systemd unit that runs the worker, as locked up as the sandbox of renders allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from veriframe.errors import SettingsError
from veriframe.settings import PREFIX

MARK = "# Written by: veriframe service install"
"""The first line. A file without it is somebody else's, and is not replaced."""

_EVERYWHERE = """
# What a render needs is allowed: user, mount, process, network, host name and IPC namespaces, mounts, a fresh
# /proc, seccomp filters, code made at run time. So these are left out: RestrictNamespaces, ProtectHostname,
# ProtectProc, ProcSubset, ProtectKernelTunables, ProtectKernelLogs, MemoryDenyWriteExecute, PrivateUsers.
NoNewPrivileges=yes
RestrictSUIDSGID=yes
RestrictRealtime=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=~@clock @cpu-emulation @debug @module @obsolete @raw-io @reboot @swap
SystemCallErrorNumber=EPERM
UMask=0077
"""

_SYSTEM = """
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome=read-only
ReadWritePaths={home}
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectKernelModules=yes
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceUnit:
    """A worker as a service. `user`: whose it is, of the whole system; None: the calling user's own.

    `credentials` are files that systemd hands to the service, by the setting that names each.
    """

    command: Sequence[str]
    home: Path
    folder: Path
    """Where it runs: relative paths of a settings file begin there."""
    environment: Mapping[str, str] = field(default_factory=dict)
    credentials: Mapping[str, Path] = field(default_factory=dict)
    user: str | None = None

    def text(self) -> str:
        """Returns the whole file. Raises `SettingsError` for a text that would break a line of it."""
        self._refuse_breaks()
        lines = [
            MARK,
            "[Unit]",
            "Description=VeriFrame worker: renders Blender frames for pay",
            *(("Wants=network-online.target", "After=network-online.target") if self.user else ()),
            "",
            "[Service]",
            "Type=exec",
            f"ExecStart={' '.join(map(_word, self.command))}",
            f"WorkingDirectory={_path(self.folder)}",
            *(f"Environment={_quoted(f'{name}={value}')}" for name, value in self.environment.items()),
            *(f"LoadCredential={name}:{_path(path)}" for name, path in self.credentials.items()),
            *(f"Environment={PREFIX}{name.upper()}=%d/{name}" for name in self.credentials),
            *((f"User={self.user}",) if self.user else ()),
            "# Once a setting is wrong, a person has to act; everything else is tried again.",
            "Restart=on-failure",
            "RestartSec=30",
            "RestartPreventExitStatus=2",
            "# SIGTERM to the worker alone: it finishes what is claimed. A render that runs out of memory is",
            "# not the end of the worker.",
            "KillMode=mixed",
            "TimeoutStopSec=30min",
            "OOMPolicy=continue",
            _EVERYWHERE.rstrip(),
            *((_SYSTEM.strip().format(home=_quoted(str(self.home))),) if self.user else ()),
            "",
            "[Install]",
            f"WantedBy={'multi-user.target' if self.user else 'default.target'}",
        ]
        return "\n".join(lines) + "\n"

    def _refuse_breaks(self) -> None:
        texts = [
            *(("the home folder", str(self.home)), ("the current folder", str(self.folder))),
            *(("the command", word) for word in self.command),
            *self.environment.items(),
            *((name, str(path)) for name, path in self.credentials.items()),
        ]
        for name, text in texts:
            if not text.isprintable():
                raise SettingsError(
                    f"A unit file cannot hold {name}: it has control characters. Name it without them."
                )


def _quoted(text: str) -> str:
    """A text in quotes, as unit files have it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


def _word(text: str) -> str:
    """One word of a command line, in which `$` would begin a variable."""
    return _quoted(text).replace("$", "$$")


def _path(path: Path) -> str:
    """A path that takes the rest of its line."""
    return str(path).replace("%", "%%")
