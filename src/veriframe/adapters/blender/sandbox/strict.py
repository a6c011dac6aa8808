"""Level STRICT: bubblewrap with namespaces of its own for everything, a user namespace, and seccomp."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from veriframe.adapters.blender.sandbox import cgroup, process, seccomp, view
from veriframe.adapters.blender.sandbox.cell import OUT, Cell, CellExit, Level, Sandbox

_USR = PurePosixPath("/usr")
_TMP = "/tmp"  # noqa: S108 - the path inside, where it is a new tmpfs


class StrictSandbox(Sandbox):
    """Each run has its own processes, network (none), mounts, users, and no capabilities.

    As root two bubblewraps are nested. The outer one, still root, only arranges mounts, because the inner
    one, already without any privilege, could not look up paths below folders such as /root (mode 0700).
    `staged=False` leaves the outer one out, for containers whose root may not mount.
    """

    level = Level.STRICT

    def __init__(self, *, staged: bool = True, use_cgroup: bool = True) -> None:
        """Make the walls' plan; nothing is started."""
        self._root = os.geteuid() == 0
        self._staged = staged and self._root
        self._use_cgroup = use_cgroup
        hierarchy = cgroup.find() if use_cgroup else None
        self.memory_held_by = f"cgroup v{hierarchy.version}" if hierarchy else "watcher"

    async def run(self, cell: Cell) -> CellExit:
        """Run the program to its end. Never raises for anything that the program does."""
        if cell.out is not None:
            view.give_away(cell.out)
        with seccomp.as_descriptor() as filter_fd:

            def build(report_fd: int, status_fd: int) -> process.Walls:
                return process.Walls(
                    argv=self._argv(cell, report_fd, status_fd, filter_fd),
                    # bubblewrap's own environment could be read inside through /proc/1/environ.
                    environment={"PATH": view.SEARCH_PATH},
                    descriptors=(filter_fd,),
                )

            return await process.run(cell, build, use_cgroup=self._use_cgroup)

    def command(self, cell: Cell) -> list[str]:
        """The exact command line, less the file descriptors that only a running worker has."""
        return self._argv(cell, None, None, None)

    def _argv(
        self, cell: Cell, report_fd: int | None, status_fd: int | None, filter_fd: int | None
    ) -> list[str]:
        size = ("--size", str(cell.limits.tmp_bytes), "--tmpfs")
        variables = view.environment(cell, report_fd, _TMP)
        walls = [
            *("bwrap", "--unshare-all", "--unshare-user", "--disable-userns", "--cap-drop", "ALL"),
            *("--die-with-parent", "--new-session", "--clearenv", "--hostname", "render"),
            # Before the binds: one of them may lie below /tmp.
            *("--proc", "/proc", "--dev", "/dev", *size, "/dev/shm", *size, _TMP),  # noqa: S108
            *_binds(cell, staged=self._staged),
            *("--remount-ro", "/dev", "--remount-ro", "/"),
            *(word for name, value in variables.items() for word in ("--setenv", name, value)),
            *("--chdir", _TMP),
            *(() if status_fd is None else ("--json-status-fd", str(status_fd))),
            *(() if filter_fd is None else ("--seccomp", str(filter_fd))),
            "--",
            *map(str, cell.argv),
        ]
        return [*self._prelude(cell), *walls]

    def _prelude(self, cell: Cell) -> list[str]:
        if not self._root:
            return []
        stage = [
            *("bwrap", "--die-with-parent", *_binds(cell, staged=False)),
            # bubblewrap itself needs /tmp, to build the new root in.
            *("--bind", "/proc", "/proc", "--dev-bind", "/dev", "/dev", "--dir", _TMP, "--"),
        ]
        drop = [
            *(
                "setpriv",
                "--reuid",
                str(view.SANDBOX_UID),
                "--regid",
                str(view.SANDBOX_UID),
                "--clear-groups",
            ),
            *("--no-new-privs", "--inh-caps=-all", "--bounding-set=-all"),
        ]
        return [*(stage if self._staged else []), *drop]


def pasteable(argv: Sequence[str]) -> str:
    """A command line as a shell takes it."""
    return shlex.join(argv)


def _binds(cell: Cell, *, staged: bool) -> list[str]:
    """The mounts. `staged`: everything lies already where it is to be seen."""
    # bubblewrap makes missing parents with mode 0700; the inner one must be able to pass through them.
    targets = {PurePosixPath(file) for file in view.SYSTEM_FILES} | set(cell.visible)
    parents = {parent for target in targets for parent in target.parents} - {PurePosixPath("/")}
    binds = [
        word
        for parent in sorted(parents)
        if not any(parent.is_relative_to(target) for target in (*targets, _USR))
        for word in ("--perms", "0755", "--dir", str(parent))
    ]
    binds += ["--ro-bind", str(_USR), str(_USR)]
    for link in view.SYSTEM_LINKS:
        path = Path(link)
        if path.is_symlink():
            binds += ["--symlink", str(path.readlink()), link]
        elif path.is_dir():
            binds += ["--ro-bind", link, link]
    for file in view.SYSTEM_FILES:
        binds += ["--ro-bind-try", file, file]
    for inside, host in sorted(cell.visible.items()):
        binds += ["--ro-bind", str(inside if staged else host), str(inside)]
    if cell.out is not None:
        binds += ["--bind", str(OUT if staged else cell.out), str(OUT)]
    return binds
