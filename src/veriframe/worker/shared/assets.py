"""A fetched asset: a bare scene, or a bundle whose `job.json` is read here, without Blender."""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from veriframe.causes import cause_of
from veriframe.errors import Code, HostUnavailable, JobRejected
from veriframe.model.bundle.job_file import FILE_NAME, MOST_BYTES, Bundle, parse_job_file
from veriframe.model.text import printable

_PACK = "Pack it with: veriframe job pack."


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """The scene of an asset and, for a bundle, its folder and what it asks for."""

    cid: str
    scene: Path
    folder: Path | None = None
    bundle: Bundle | None = None


def read_asset(cid: str, path: Path) -> Asset:
    """Reads what was fetched: a file is a bare scene, a folder is a bundle. Blocks.

    Raises `JobRejected`: BAD_BUNDLE, FRAME_RANGE, and those of paths; `HostUnavailable`.
    """
    if not path.is_dir():
        return Asset(cid=cid, scene=path)
    bundle = parse_job_file(_read_job_file(path))
    scene = path / bundle.scene
    if not _is_inside(scene, path):
        raise JobRejected(
            Code.BAD_BUNDLE,
            f"The bundle has no plain file {printable(bundle.scene, 200)}, its scene. {_PACK}",
        )
    return Asset(cid=cid, scene=scene, folder=path, bundle=bundle)


def _read_job_file(folder: Path) -> bytes:
    """The content, or the first bytes of one that is too long. Follows no link and waits for no pipe."""
    try:
        descriptor = os.open(folder / FILE_NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                return file.read(MOST_BYTES + 1)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise HostUnavailable(
                f"The fetched bundle {folder} cannot be read: {cause_of(error)}. "
                "If it is missing, it is fetched anew."
            ) from error
    raise JobRejected(Code.BAD_BUNDLE, f"The folder has no {FILE_NAME}, as a plain file. {_PACK}")


def _is_inside(scene: Path, folder: Path) -> bool:
    """Whether it is a plain file that no link leads to."""
    is_there = stat.S_ISREG(scene.lstat().st_mode) if os.path.lexists(scene) else False
    return is_there and scene.resolve() == folder.resolve() / scene.relative_to(folder)
