"""Selects the strongest sandbox that passes its self-test on this machine, or refuses with the remedy."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from veriframe.adapters.blender.sandbox import temporary
from veriframe.adapters.blender.sandbox.levels import launcher
from veriframe.adapters.blender.sandbox.levels.bubblewrap import BubblewrapSandbox
from veriframe.adapters.blender.sandbox.levels.unnamespaced import UnnamespacedSandbox
from veriframe.adapters.blender.sandbox.limits import cgroup, host_errors
from veriframe.adapters.blender.sandbox.run import Level, Sandbox
from veriframe.adapters.blender.sandbox.selftest import selftest
from veriframe.errors import SettingsError
from veriframe.threads import run_briefly, run_uninterrupted


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """The facts about this machine that decide which sandboxes are possible."""

    bubblewrap: bool
    setpriv: bool
    root: bool
    user_namespaces: int
    """How many may be created; 0 forbids them."""
    apparmor_restricts: bool
    """Ubuntu since 24.04: only programs with an AppArmor profile may create user namespaces."""
    container: bool
    landlock_abi: int


def detect_host() -> Host:
    """Returns the facts about this machine."""
    namespaces = _number("/proc/sys/user/max_user_namespaces", 1)
    # Debian's own switch, which newer kernels no longer have.
    if _number("/proc/sys/kernel/unprivileged_userns_clone", 1) == 0:
        namespaces = 0
    return Host(
        bubblewrap=shutil.which("bwrap") is not None,
        setpriv=shutil.which("setpriv") is not None,
        root=os.geteuid() == 0,
        user_namespaces=namespaces,
        apparmor_restricts=_number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", 0) == 1,
        container=_in_container(),
        landlock_abi=launcher.landlock_abi(),
    )


async def build(required: Level, *, needed: Sequence[Path] = (), host: Host | None = None) -> Sandbox:
    """Returns the strongest sandbox that passes its self-test here, at least of level `required`.

    `needed`: files and folders that later runs must see, so the sandbox must be able to show them. CONTAINER
    is tried only inside a container, NONE only if required. Removes what killed workers have left in the
    temporary folder. Raises `SettingsError` with the remedy, and `HostUnavailable` if this machine has no
    space for the self-test.
    """
    host = host or detect_host()
    # Control groups first: programs in those of killed workers may still use the folders.
    await run_briefly(cgroup.find)
    await run_uninterrupted(temporary.sweep)
    reasons: list[str] = []
    for sandbox in _candidates(host, required):
        if reason := await _why_not(sandbox, needed):
            reasons.append(f"{sandbox.level.name}: {reason}")
        else:
            return sandbox
    found = f" ({'; '.join(reasons)})" if reasons else ""
    raise SettingsError(
        f"The sandbox cannot reach level {required.name} on this machine{found}. {remedy(host, required)} "
        "To allow a weaker sandbox, use the setting “sandbox”; docs/security.md says what it leaves open."
    )


async def _why_not(sandbox: Sandbox, needed: Sequence[Path]) -> str:
    """Returns the first attack that succeeded against the level's promise, or an empty string."""
    with host_errors.as_unavailable():
        results = await selftest.run_self_test(sandbox, needed=needed)
    broken = selftest.broken(sandbox.level, results)
    return f"{broken[0].name}: {broken[0].detail}" if broken else ""


def _candidates(host: Host, required: Level) -> Iterator[Sandbox]:
    if all(_programs(host).values()):
        yield BubblewrapSandbox()
        if host.root:
            yield BubblewrapSandbox(nested=False)
    if required <= Level.LANDLOCK and host.landlock_abi > 0:
        yield UnnamespacedSandbox(Level.LANDLOCK)
    if required <= Level.CONTAINER and host.container:
        yield UnnamespacedSandbox(Level.CONTAINER)
    if required is Level.NONE:
        yield UnnamespacedSandbox(Level.NONE)


def remedy(host: Host, required: Level) -> str:
    """Returns what to do so that `required` can be reached, as exactly as this machine allows."""
    if required is Level.CONTAINER:
        return "Run the worker inside a container."
    if required is Level.LANDLOCK:
        return _LANDLOCK[host.landlock_abi > 0]
    if missing := [name for name, there in _programs(host).items() if not there]:
        return f"Run: apt-get install {' '.join(missing)}."
    if host.container:
        return (
            "Start the container with: --security-opt seccomp=unconfined --security-opt apparmor=unconfined "
            "--security-opt systempaths=unconfined."
        )
    if host.user_namespaces == 0:
        return "Run: sysctl -w user.max_user_namespaces=15000 kernel.unprivileged_userns_clone=1."
    return _APPARMOR if host.apparmor_restricts else "Run: bwrap --unshare-all --ro-bind / / true."


_LANDLOCK = (
    "Use a kernel with Landlock (5.13 or newer, with “landlock” among its boot option lsm=).",
    # As root, renders run as another user, who cannot traverse folders such as /root.
    "Run the worker as an ordinary user, or keep its folders in places that every user may traverse.",
)
_APPARMOR = (
    "Run: apt-get install apparmor-profiles && cp "
    "/usr/share/apparmor/extra-profiles/bwrap-userns-restrict /etc/apparmor.d/ && "
    "apparmor_parser -r /etc/apparmor.d/bwrap-userns-restrict."
)


def _programs(host: Host) -> dict[str, bool]:
    """Returns the Debian packages that STRICT needs, and whether their programs are installed."""
    return {"bubblewrap": host.bubblewrap, "util-linux": host.setpriv or not host.root}


def _number(file: str, otherwise: int) -> int:
    with contextlib.suppress(OSError, ValueError):
        return int(Path(file).read_text())
    return otherwise


def _in_container() -> bool:
    if any(Path(mark).exists() for mark in ("/.dockerenv", "/run/.containerenv")):
        return True
    with contextlib.suppress(OSError):
        return any(
            name in Path("/proc/1/cgroup").read_text() for name in ("docker", "kubepods", "containerd", "lxc")
        )
    return False
