"""Level STRICT: bubblewrap with new namespaces of all kinds, a user namespace among them, and seccomp."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from veriframe.adapters.blender.sandbox import live, visible
from veriframe.adapters.blender.sandbox.command import Ends, SandboxCommand
from veriframe.adapters.blender.sandbox.levels import seccomp
from veriframe.adapters.blender.sandbox.output_mounts import (
    MemoryFileSystems,
    output_room_bytes,
    rounded_files,
)
from veriframe.adapters.blender.sandbox.pipes import Gate
from veriframe.adapters.blender.sandbox.run import OUT, Level, SandboxedRun
from veriframe.threads import run_uninterrupted

_USR = PurePosixPath("/usr")
_TMP = "/tmp"  # noqa: S108 - the path inside, where it is a new tmpfs


_NO_ZERO = ("--dev-bind", "/dev/full", "/dev/zero")
"""/dev/full reads like /dev/zero, but mapping it creates no memory that outlives the mapping."""


@dataclass(frozen=True, slots=True)
class _Places:
    """The mount points of the file systems in memory."""

    out: PurePosixPath
    tmp: PurePosixPath
    shm: PurePosixPath


_INSIDE = _Places(OUT, PurePosixPath(_TMP), PurePosixPath("/dev/shm"))  # noqa: S108 - inside
_OUTER = _Places(*(PurePosixPath("/veriframe", name) for name in ("out", "tmp", "shm")))
"""Their mount points in the outer bubblewrap, which passes them to the inner one."""


@dataclass(frozen=True, slots=True)
class _Descriptors:
    """Open files: the pipes' inner ends, the outer bubblewrap's own end for its status, the filter."""

    ends: Ends
    outer: int | None
    filter: int


class BubblewrapSandbox(live.LiveSandbox):
    """Gives each run its own processes, network (none), mounts and users, and no capabilities.

    As root, two bubblewraps are nested. The outer one, still root, only sets up mounts, because the inner
    one has no privileges and could not resolve paths below folders such as /root (mode 0700).
    `nested=False` omits the outer one, for containers whose root may not mount.
    """

    level = Level.STRICT

    def __init__(self, *, nested: bool = True, use_cgroup: bool = True) -> None:
        """Prepares the sandbox; starts nothing."""
        self._root = os.geteuid() == 0
        self._nested = nested and self._root
        super().__init__(use_cgroup=use_cgroup)

    async def _start(self, run: SandboxedRun, stack: contextlib.AsyncExitStack) -> live.RunningProgram:
        filter_fd = stack.enter_context(seccomp.as_descriptor())
        gate = stack.enter_context(contextlib.closing(Gate()))
        writable = self._mounts(run)
        # The kernel frees the contents, which takes seconds for millions of files.
        stack.push_async_callback(run_uninterrupted, writable.close)

        def build(ends: Ends) -> SandboxCommand:
            # Each bubblewrap closes its own descriptor before it starts its child.
            outer_fd = os.dup(ends.status) if self._nested else None
            if outer_fd is not None:
                stack.callback(os.close, outer_fd)
            return SandboxCommand(
                argv=self._argv(run, _Descriptors(ends, outer_fd, filter_fd)),
                # The program can read bubblewrap's own environment through /proc/1/environ.
                environment={"PATH": visible.SEARCH_PATH},
                writable=writable,
                descriptors=(filter_fd, *(() if outer_fd is None else (outer_fd,))),
                gate=gate,
            )

        return await stack.enter_async_context(live.started(run, build, use_cgroup=self._use_cgroup))

    def command(self, run: SandboxedRun) -> list[str]:
        """Returns the exact command line without the file descriptors, which only a running worker has."""
        return self._argv(run, None)

    def _mounts(self, run: SandboxedRun) -> MemoryFileSystems:
        places = _OUTER if self._nested else _INSIDE
        out = places.out if run.has_output else None
        return MemoryFileSystems(out, places.tmp, places.shm, files=rounded_files(run))

    def _argv(self, run: SandboxedRun, given: _Descriptors | None) -> list[str]:
        variables = visible.environment(run, given.ends.variables if given else {}, _TMP)
        command = [
            *("bwrap", "--unshare-all", "--unshare-user", "--disable-userns", "--cap-drop", "ALL"),
            *("--die-with-parent", "--new-session", "--clearenv", "--hostname", "render"),
            # Before the binds, because one of them may be below /tmp.
            *("--proc", "/proc", "--dev", "/dev", *_NO_ZERO, *self._tmpfs(run)),
            *_binds(run, nested=self._nested),
            *("--remount-ro", "/dev", "--remount-ro", "/proc", "--remount-ro", "/"),
            *(word for name, value in variables.items() for word in ("--setenv", name, value)),
            *("--chdir", _TMP),
            *(("--json-status-fd", str(given.ends.status), "--seccomp", str(given.filter)) if given else ()),
            "--",
            *(("/bin/sh", "-c", Gate.WAITING, "veriframe-gate") if given else ()),
            *map(str, run.argv),
        ]
        return [*self._prelude(run, given), *command]

    def _tmpfs(self, run: SandboxedRun) -> list[str]:
        """Returns the options for the file systems in memory, new or bound from the outer bubblewrap."""
        if not self._nested:
            return _new_tmpfs(run, _INSIDE)
        pairs = ((_OUTER.shm, _INSIDE.shm), (_OUTER.tmp, _INSIDE.tmp), (_OUTER.out, _INSIDE.out))
        wanted = pairs if run.has_output else pairs[:2]
        return [word for source, target in wanted for word in ("--bind", str(source), str(target))]

    def _prelude(self, run: SandboxedRun, given: _Descriptors | None) -> list[str]:
        if not self._root:
            return []
        outer = [
            # With its own process namespace: without capabilities a dying parent could not end the other
            # user's processes, but the kernel ends a namespace together with its first process.
            *("bwrap", "--unshare-pid", "--die-with-parent", *_binds(run, nested=False)),
            *_new_tmpfs(run, _OUTER),
            *(("--info-fd", str(given.outer)) if given and given.outer is not None else ()),
            # bubblewrap itself needs /tmp to build the new root.
            *("--bind", "/proc", "/proc", "--dev-bind", "/dev", "/dev", "--dir", _TMP, "--"),
        ]
        uid = visible.SANDBOX_UID
        drop = [
            *("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"),
            *("--no-new-privs", "--inh-caps=-all", "--bounding-set=-all"),
        ]
        return [*(outer if self._nested else []), *drop]


def pasteable(argv: Sequence[str]) -> str:
    """Returns a command line that can be pasted into a shell."""
    return shlex.join(argv)


def _binds(run: SandboxedRun, *, nested: bool) -> list[str]:
    """Returns the options for the mounts. `nested`: the outer bubblewrap has mounted everything already."""
    # bubblewrap creates missing parents with mode 0700; the inner one must be able to traverse them.
    targets = {PurePosixPath(file) for file in visible.SYSTEM_FILES} | set(run.visible)
    parents = {parent for target in targets for parent in target.parents} - {PurePosixPath("/")}
    binds = [
        word
        for parent in sorted(parents)
        if not any(parent.is_relative_to(target) for target in (*targets, _USR))
        for word in ("--perms", "0755", "--dir", str(parent))
    ]
    binds += ["--ro-bind", str(_USR), str(_USR)]
    for link in visible.SYSTEM_LINKS:
        path = Path(link)
        if path.is_symlink():
            binds += ["--symlink", str(path.readlink()), link]
        elif path.is_dir():
            binds += ["--ro-bind", link, link]
    for file in visible.SYSTEM_FILES:
        binds += ["--ro-bind-try", file, file]
    for inside, host in sorted(run.visible.items()):
        binds += ["--ro-bind", str(inside if nested else host), str(inside)]
    return binds


def _new_tmpfs(run: SandboxedRun, places: _Places) -> list[str]:
    """Returns the options for new ones of limited size. Their number of files is monitored instead."""
    limits = run.limits
    sizes = {places.shm: limits.tmp_bytes, places.tmp: limits.tmp_bytes}
    if run.has_output:
        sizes[places.out] = output_room_bytes(run)
    return [
        word
        for place, size in sizes.items()
        for word in ("--perms", "0777", "--size", str(size), "--tmpfs", str(place))
    ]
