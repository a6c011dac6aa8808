"""The output folder of a render is untrusted: what it may contain, and what it must not."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from veriframe.adapters.blender import outputs
from veriframe.errors import Code, HostUnavailable

NAME = "frame_0001.png"
LIMIT = 100


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """An empty output folder; its parent belongs to the test."""
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def code_of(out: Path, *expected: str) -> Code | None:
    """Returns the code of a folder's fault."""
    fault = outputs.find_fault(out, expected or (NAME,), max_bytes=LIMIT)
    return fault.code if fault else None


def test_exactly_the_expected_files_are_fine(out: Path) -> None:
    """Of any size from one byte to the limit."""
    (out / NAME).write_bytes(b"1")
    (out / "frame_0002.png").write_bytes(b"2" * LIMIT)
    assert code_of(out, NAME, "frame_0002.png") is None


def link_to_a_secret(out: Path) -> None:
    """A link out of the folder."""
    secret = out.parent / "secret"
    secret.write_text("secret")
    (out / NAME).symlink_to(secret)


def link_to_nothing(out: Path) -> None:
    """A broken link."""
    (out / NAME).symlink_to("/nowhere")


def second_name(out: Path) -> None:
    """A file with a second hard link elsewhere."""
    (out.parent / "other").write_text("x")
    (out / NAME).hardlink_to(out.parent / "other")


def folder(out: Path) -> None:
    """A folder."""
    (out / NAME).mkdir()


def fifo(out: Path) -> None:
    """A pipe, which would block a reader."""
    os.mkfifo(out / NAME)


def unix_socket(out: Path) -> None:
    """A socket."""
    with socket.socket(socket.AF_UNIX) as server:
        # Socket paths are limited in length.
        here = Path.cwd()
        os.chdir(out)
        try:
            server.bind(NAME)
        finally:
            os.chdir(here)


def too_large(out: Path) -> None:
    """A file over the limit."""
    (out / NAME).write_bytes(b"x" * (LIMIT + 1))


def sparse(out: Path) -> None:
    """A sparse file of a tebibyte."""
    (out / NAME).touch()
    os.truncate(out / NAME, 2**40)


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "attack",
    [link_to_a_secret, link_to_nothing, second_name, folder, fifo, unix_socket, too_large, sparse],
    ids=lambda attack: attack.__name__,
)
def test_what_only_an_attack_can_leave_is_tampering(out: Path, attack: Callable[[Path], None]) -> None:
    """fault_42: none is followed or read, and none blocks."""
    attack(out)
    assert code_of(out) == Code.TAMPER


def test_a_missing_file_is_no_output(out: Path) -> None:
    """fault_39: although Blender reported that it was done."""
    assert code_of(out) == Code.NO_OUTPUT


def test_an_empty_file_is_no_output(out: Path) -> None:
    """fault_39: the file exists, but has no content."""
    (out / NAME).touch()
    assert code_of(out) == Code.NO_OUTPUT


def test_another_name_is_no_output(out: Path) -> None:
    """The expected file is missing, whatever else exists."""
    (out / "frame_0002.png").write_bytes(b"x")
    assert code_of(out) == Code.NO_OUTPUT


@pytest.mark.parametrize(
    "extra", ["frame_0002.png", ".hidden", "depth", "frame_0001.PNG", "\x1b[31m\u202egnp"]
)
def test_an_unexpected_file_is_extra_output(out: Path, extra: str) -> None:
    """fault_25: such as a File Output node's; the sentence names it in printable characters."""
    (out / NAME).write_bytes(b"x")
    (out / extra).mkdir()
    fault = outputs.find_fault(out, (NAME,), max_bytes=LIMIT)
    assert fault is not None
    assert fault.code == Code.EXTRA_OUTPUT
    assert fault.sentence.isprintable()


def test_a_folder_that_is_a_link_is_not_followed(out: Path, tmp_path: Path) -> None:
    """Not even the folder itself."""
    (tmp_path / "link").symlink_to(out)
    (out / NAME).write_bytes(b"x")
    assert code_of(tmp_path / "link") == Code.TAMPER


def test_a_missing_folder_is_tampering(tmp_path: Path) -> None:
    """Only the worker may remove it."""
    assert code_of(tmp_path / "gone") == Code.TAMPER


def collected(out: Path, target: Path, *expected: str) -> Code | None:
    """Returns the code of a folder's fault when it is copied."""
    target.mkdir()
    with outputs.opened(out) as folder:
        fault = outputs.collect(folder, expected, target, max_bytes=LIMIT)
    return fault.code if fault else None


def test_exactly_the_expected_files_are_copied(out: Path, tmp_path: Path) -> None:
    """Even if the program removed its folder's permissions."""
    (out / NAME).write_bytes(b"1")
    (out / "frame_0002.png").write_bytes(b"2" * 90)
    assert collected(out, tmp_path / "ours", NAME, "frame_0002.png") is None
    assert (tmp_path / "ours" / NAME).read_bytes() == b"1"
    assert len(list((tmp_path / "ours").iterdir())) == 2


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "attack",
    [link_to_a_secret, second_name, folder, fifo, too_large, sparse],
    ids=lambda attack: attack.__name__,
)
def test_if_one_is_wrong_none_is_copied(out: Path, tmp_path: Path, attack: Callable[[Path], None]) -> None:
    """fault_42, fault_92: no part of it reaches the disk."""
    (out / "frame_0000.png").write_bytes(b"1")
    attack(out)
    code = Code.OUTPUT_LIMIT if attack in (too_large, sparse) else Code.TAMPER
    assert collected(out, tmp_path / "ours", "frame_0000.png", NAME) == code
    assert list((tmp_path / "ours").iterdir()) == []


def test_all_of_them_together_are_limited(out: Path, tmp_path: Path) -> None:
    """fault_93: a hole takes no memory, but its full size on a disk."""
    for name in ("a", "b"):
        (out / name).touch()
        os.truncate(out / name, LIMIT - 1)
    assert collected(out, tmp_path / "ours", "a", "b") == Code.OUTPUT_LIMIT
    assert list((tmp_path / "ours").iterdir()) == []


def test_no_space_for_a_copy_is_this_machines_fault(out: Path, tmp_path: Path) -> None:
    """Not the scene's."""
    (out / NAME).write_bytes(b"1")
    with outputs.opened(out) as folder, pytest.raises(HostUnavailable):
        outputs.collect(folder, (NAME,), tmp_path / "nowhere", max_bytes=LIMIT)
