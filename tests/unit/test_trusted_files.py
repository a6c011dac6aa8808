"""Settings, keys and homes that others own or may write are refused, with the remedy."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from veriframe.adapters.starknet.account import keystore
from veriframe.errors import SettingsError
from veriframe.settings import load

NOBODY, SOMEBODY = 65534, 54321
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to others")
HOSTILE = 'sandbox = "none"\nwithdraw_to = "0xbad"\n'


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working folder: owned by this user, and accessible to others, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        monkeypatch.chdir(made)
        yield Path(made)


@contextmanager
def acting_as(user: int) -> Iterator[None]:
    """Run the block as an ordinary user."""
    os.seteuid(user)
    try:
        yield
    finally:
        os.seteuid(0)


def _settings_file(folder: Path, mode: int = 0o644, owner: int | None = None) -> Path:
    path = folder / "veriframe.toml"
    path.write_text(HOSTILE)
    path.chmod(mode)
    if owner is not None:
        os.chown(path, owner, owner)
    return path


def _refusal(config: Path | None = None, **flags: str) -> str:
    with pytest.raises(SettingsError) as caught:
        load(flags, {}, config)
    return str(caught.value)


def test_an_own_settings_file_is_read(folder: Path) -> None:
    """By default and with --config."""
    path = _settings_file(folder)
    assert load({}, {}).settings.sandbox == load({}, {}, path).settings.sandbox == "none"


@as_root
@pytest.mark.parametrize("by_name", [False, True])
def test_root_does_not_use_another_users_settings(folder: Path, by_name: bool) -> None:
    """fault_97: such as `withdraw_to` and `sandbox = none`."""
    path = _settings_file(folder, owner=NOBODY)
    refusal = _refusal(path if by_name else None)
    assert "nobody" in refusal
    assert "chown" in refusal


@as_root
def test_an_ordinary_user_reads_only_own_and_root_s_settings(folder: Path) -> None:
    """fault_97: for files of root, of the user and of another user."""
    path = _settings_file(folder)
    with acting_as(SOMEBODY):
        assert load({}, {}).settings.sandbox == "none"
    os.chown(path, SOMEBODY, SOMEBODY)
    with acting_as(SOMEBODY):
        assert load({}, {}).settings.sandbox == "none"
    os.chown(path, NOBODY, NOBODY)
    with acting_as(SOMEBODY):
        assert "nobody" in _refusal()


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
@pytest.mark.parametrize("by_name", [False, True])
def test_settings_that_others_may_write_are_refused(folder: Path, mode: int, by_name: bool) -> None:
    """fault_97: anyone who may write them decides where the money goes."""
    path = _settings_file(folder, mode)
    refusal = _refusal(path if by_name else None)
    assert "chmod go-w" in refusal


@as_root
def test_a_link_to_settings_is_judged_by_its_target(folder: Path) -> None:
    """fault_97: the user's link leads to another user's file."""
    target = _settings_file(folder, owner=NOBODY).rename(folder / "theirs.toml")
    (folder / "veriframe.toml").symlink_to(target)
    assert "nobody" in _refusal()
    assert "nobody" in _refusal(folder / "veriframe.toml")


@as_root
def test_another_user_s_link_to_own_settings_is_not_followed_by_default(folder: Path) -> None:
    """fault_97: in a folder like /tmp, another user makes a link to settings for another purpose."""
    own = _settings_file(folder).rename(folder / "for-trying-out.toml")
    folder.chmod(0o1777)
    with acting_as(NOBODY):
        (folder / "veriframe.toml").symlink_to(own)
    assert "--config" in _refusal()
    assert load({}, {}, own).settings.sandbox == "none"


@pytest.mark.parametrize("mode", [0o775, 0o757])
def test_a_default_file_in_a_folder_that_others_may_write_is_refused(folder: Path, mode: int) -> None:
    """fault_97: others can rename files there. With --config, only the file itself is checked."""
    path = _settings_file(folder)
    folder.chmod(mode)
    assert f"chmod go-w {folder.resolve()}" in _refusal()
    assert load({}, {}, path).settings.sandbox == "none"


def test_in_a_sticky_folder_an_own_file_is_read(folder: Path) -> None:
    """In /tmp no one else may move or replace it."""
    _settings_file(folder)
    folder.chmod(0o1777)
    assert load({}, {}).settings.sandbox == "none"


@as_root
def test_a_default_file_in_another_user_s_folder_is_refused(folder: Path) -> None:
    """fault_97: its owner may put any of our files there."""
    _settings_file(folder)
    os.chown(folder, NOBODY, NOBODY)
    assert "nobody" in _refusal()


def test_without_a_file_the_folder_is_not_checked(folder: Path) -> None:
    """Commands work anywhere."""
    folder.chmod(0o777)
    assert load({}, {}).settings.sandbox == "strict"


def test_a_pipe_without_a_writer_does_not_block(folder: Path) -> None:
    """Otherwise every command would wait for it."""
    os.mkfifo(folder / "veriframe.toml", 0o600)
    assert load({}, {}).settings.sandbox == "strict"


def test_settings_can_be_read_from_a_pipe() -> None:
    """As with a shell's `--config <(…)`."""
    reading, writing = os.pipe()
    os.write(writing, b"slots = 3\n")
    os.close(writing)
    try:
        assert load({}, {}, Path(f"/dev/fd/{reading}")).settings.slots == 3
    finally:
        os.close(reading)


def test_what_is_no_file_is_no_settings_file(folder: Path) -> None:
    """fault_195: root who follows `chmod go-w /dev/zero` breaks the machine. /dev/null is an empty file."""
    assert load({}, {}, Path("/dev/null")).settings.sandbox == "strict"
    for path in (Path("/dev/zero"), folder):
        refusal = _refusal(path)
        assert ("chmod" in refusal, "--config" in refusal) == (False, True)


def test_a_home_of_an_unknown_user_is_one_sentence() -> None:
    """As is that of a user without an entry in the system, whose HOME is not set."""
    assert "VERIFRAME_HOME" in _refusal(home="~no-such-user-here/x")


def test_what_is_no_folder_is_no_home(folder: Path) -> None:
    """fault_195: nor is its mode to be changed."""
    (folder / "file").touch(0o666)
    for path in (Path("/dev/null"), folder / "file"):
        refusal = _refusal(home=str(path))
        assert ("chmod" in refusal, "VERIFRAME_HOME" in refusal) == (False, True)


@as_root
@pytest.mark.parametrize("mode", [0o700, 0o777])
def test_a_home_of_another_owner_is_refused(folder: Path, mode: int) -> None:
    """fault_97: its owner could put a journal, a store and a learned chain there."""
    home = folder / "home"
    home.mkdir()
    home.chmod(mode)
    os.chown(home, NOBODY, NOBODY)
    refusal = _refusal(home=str(home))
    assert "nobody" in refusal
    assert "VERIFRAME_HOME" in refusal


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o1777])
def test_a_home_that_others_may_write_is_refused(folder: Path, mode: int) -> None:
    """fault_97: such as /tmp; the remedy is a new folder within it."""
    home = folder / "home"
    home.mkdir()
    home.chmod(mode)
    assert f"chmod go-w {home}" in _refusal(home=str(home))
    assert load({"home": str(home / "own")}, {}).settings.home == home / "own"


@as_root
def test_an_ordinary_user_can_use_root_s_home(folder: Path) -> None:
    """As made by a service manager; `doctor` checks whether it is writable."""
    with acting_as(SOMEBODY):
        assert load({"home": str(folder)}, {}).settings.home == folder


@as_root
@pytest.mark.parametrize("what", ["keystore", "password file", "ipfs_token_file"])
def test_a_private_file_of_another_owner_is_refused(folder: Path, what: str) -> None:
    """fault_97: root can read it, but its owner chose its content."""
    path = folder / "private"
    path.touch(0o600)
    os.chown(path, NOBODY, NOBODY)
    with pytest.raises(SettingsError, match=rf"{what} {path}.*nobody.*chown"):
        keystore.read_private(path, what)


@as_root
def test_private_files_of_root_and_of_the_user_are_read(folder: Path) -> None:
    """If the system permits it."""
    path = folder / "private"
    path.touch(0o600)
    os.chown(path, SOMEBODY, SOMEBODY)
    with acting_as(SOMEBODY):
        assert keystore.read_private(path, "file") == b""
    os.chown(path, 0, 0)
    assert keystore.read_private(path, "file") == b""
