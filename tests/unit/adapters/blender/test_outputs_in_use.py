"""Frames are taken out of a folder while the program that made them still writes to it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.unit.adapters.blender.test_outputs import (
    LIMIT,
    NAME,
    fifo,
    folder,
    link_to_a_secret,
    out,
    second_name,
    sparse,
    too_large,
    unix_socket,
)

from veriframe.adapters.blender import outputs
from veriframe.errors import Code, HostUnavailable

__all__ = ["out"]


def moved(out: Path, target: Path, *later: str, limit: int = LIMIT) -> Code | int:
    """Moves the file out of the folder; returns its size, or the code of a fault."""
    with outputs.opened(out) as folder:
        result = outputs.move_out(folder, NAME, target, later=later, max_bytes=limit)
    return result if isinstance(result, int) else result.code


def test_a_file_is_moved_out_of_a_folder_in_use(out: Path, tmp_path: Path) -> None:
    """Even if the program removed the owner's permissions; those of others, which it needs, stay."""
    (out / NAME).write_bytes(b"picture")
    (out / "frame_0002.png").write_bytes(b"the next one")
    with outputs.opened(out) as folder:
        out.chmod(0o077)
        later = ("frame_0002.png", "frame_0003.png")
        assert outputs.move_out(folder, NAME, tmp_path / "taken", later=later, max_bytes=LIMIT) == 7
    assert (tmp_path / "taken").read_bytes() == b"picture"
    assert [file.name for file in out.iterdir()] == ["frame_0002.png"]
    assert out.stat().st_mode & 0o777 == 0o777


def test_a_file_that_was_moved_before_is_replaced(out: Path, tmp_path: Path) -> None:
    """By a new file: nothing is written through a link."""
    (out / NAME).write_bytes(b"picture")
    (tmp_path / "taken").symlink_to(tmp_path / "elsewhere")
    assert moved(out, tmp_path / "taken") == 7
    assert not (tmp_path / "taken").is_symlink()
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    ("attack", "code"),
    [
        (link_to_a_secret, Code.TAMPER),
        (second_name, Code.TAMPER),
        (folder, Code.TAMPER),
        (fifo, Code.TAMPER),
        (unix_socket, Code.TAMPER),
        (too_large, Code.OUTPUT_LIMIT),
        (sparse, Code.OUTPUT_LIMIT),
        (lambda out: None, Code.NO_OUTPUT),
        (lambda out: (out / NAME).touch(), Code.NO_OUTPUT),
    ],
)
def test_what_cannot_be_a_frame_is_not_moved(
    out: Path, tmp_path: Path, attack: Callable[[Path], None], code: Code
) -> None:
    """fault_42: although the program that made it still runs."""
    attack(out)
    assert moved(out, tmp_path / "taken") == code
    assert not (tmp_path / "taken").exists()


def test_only_later_frames_may_lie_beside_it(out: Path, tmp_path: Path) -> None:
    """fault_25: then the frame is not kept either."""
    (out / NAME).write_bytes(b"picture")
    (out / "depth.exr").write_bytes(b"x")
    assert moved(out, tmp_path / "taken", "frame_0002.png") == Code.EXTRA_OUTPUT
    assert not (tmp_path / "taken").exists()


def grow(file: Path) -> None:
    """The program appends to it."""
    with file.open("ab") as stream:
        stream.write(b"more")


def rewrite(file: Path) -> None:
    """The program overwrites it, with the same size."""
    with file.open("r+b") as stream:
        stream.write(b"PICTURE")
    os.utime(file, ns=(1, 1))


def exchange(file: Path) -> None:
    """The program puts another file in its place."""
    file.with_name("other").write_bytes(b"another")
    file.with_name("other").replace(file)


def rename(file: Path) -> None:
    """The program takes its name away."""
    file.rename(file.with_name("frame_0002.png"))


@pytest.mark.parametrize("attack", [grow, rewrite, exchange, rename], ids=lambda attack: attack.__name__)
def test_what_changes_meanwhile_is_tampering(
    out: Path, tmp_path: Path, attack: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """fault_42: after it was checked, and before it was read to its end."""
    (out / NAME).write_bytes(b"picture")
    checked = outputs._fault_in

    def check(*arguments: Any) -> outputs.OutputFault | None:
        fault = checked(*arguments)
        attack(out / NAME)
        return fault

    monkeypatch.setattr(outputs, "_fault_in", check)
    assert moved(out, tmp_path / "taken", "frame_0002.png") == Code.TAMPER
    assert not (tmp_path / "taken").exists()


def test_no_space_for_a_moved_file_is_this_machines_fault(out: Path, tmp_path: Path) -> None:
    """Not the scene's."""
    (out / NAME).write_bytes(b"1")
    with pytest.raises(HostUnavailable):
        moved(out, tmp_path / "nowhere" / "taken")
