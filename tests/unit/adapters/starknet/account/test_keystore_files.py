"""Keystore files: permissions, links, special files, and never overwriting anything."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from tests.unit.adapters.starknet.account.keystores import LOW, PASSWORD, PUBLIC, SECRET, stored

from veriframe.adapters.starknet.account import keystore
from veriframe.adapters.starknet.account.keystore import Key
from veriframe.errors import SettingsError


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644, 0o777])
def test_a_file_that_is_open_to_others_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    """fault_78: the command in the message can be pasted."""
    path = stored(tmp_path)
    path.chmod(mode)
    with pytest.raises(SettingsError, match=f"chmod 600 {path}"):
        keystore.read(path, PASSWORD)


@pytest.mark.parametrize(
    ("mode", "owner", "group", "read"),
    [
        (0o440, 0, 0, True),
        (0o440, 1000, 0, False),
        (0o440, 0, 1000, False),
        (0o444, 0, 0, False),
        (0o640, 0, 0, False),
        (0o400, 1000, 1000, True),
    ],
)
def test_a_secret_may_come_from_systemd(mode: int, owner: int, group: int, read: bool) -> None:
    """It lies in a file of root's, and an access list that names the service shows as root's group."""
    found = os.stat_result((stat.S_IFREG | mode, 1, 1, 1, owner, group, 10, 0, 0, 0))
    assert keystore._is_private(found) is read


def test_a_link_is_judged_by_its_target(tmp_path: Path) -> None:
    """Secrets are often mounted as links."""
    path, link = stored(tmp_path), tmp_path / "link"
    link.symlink_to(path)
    assert keystore.read(link, PASSWORD).public_key == PUBLIC
    path.chmod(0o644)
    with pytest.raises(SettingsError, match="chmod 600"):
        keystore.read(link, PASSWORD)


@pytest.mark.parametrize("kind", ["missing", "folder", "pipe", "loop", "device", "huge", "nul"])
def test_a_special_file_is_refused(tmp_path: Path, kind: str) -> None:
    """fault_78: a pipe without a writer does not block."""
    path = tmp_path / "key.json"
    if kind == "folder":
        path.mkdir(mode=0o700)
    elif kind == "pipe":
        os.mkfifo(path, 0o600)
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "device":
        path = Path("/dev/null")
    elif kind == "huge":
        path.touch(0o600)
        os.truncate(path, 2**30)
    elif kind == "nul":
        path = tmp_path / "a\0b"
    with pytest.raises(SettingsError):
        keystore.read(path, PASSWORD)


@pytest.mark.parametrize("kind", ["file", "folder", "dangling", "link"])
def test_nothing_is_ever_overwritten(tmp_path: Path, kind: str) -> None:
    """A lost key means lost money."""
    path, target = tmp_path / "key.json", tmp_path / "target"
    if kind == "file":
        path.write_text("other", encoding="utf-8")
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(target)
        if kind == "link":
            target.write_text("other", encoding="utf-8")
    before = sorted(entry.name for entry in tmp_path.iterdir())
    with pytest.raises(SettingsError):
        keystore.write(path, Key(SECRET), PASSWORD, scrypt_n=LOW)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == before
    if kind in ("file", "link"):
        assert path.read_text(encoding="utf-8") == "other"


def test_the_second_writer_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes create the same name at once: the first one's file stays intact."""
    path, link = tmp_path / "key.json", os.link

    def beaten(source: str, target: Path) -> None:
        path.write_text("first", encoding="utf-8")
        link(source, target)

    monkeypatch.setattr(os, "link", beaten)
    with pytest.raises(SettingsError):
        keystore.write(path, Key(SECRET), PASSWORD, scrypt_n=LOW)
    assert path.read_text(encoding="utf-8") == "first"
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_folder_is_private(tmp_path: Path) -> None:
    """A folder that is created is closed to others."""
    stored(tmp_path / "keys")
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    """fault_78: here, a file has the folder's name."""
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError):
        stored(tmp_path / "file")
