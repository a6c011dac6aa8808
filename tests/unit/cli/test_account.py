"""`veriframe account`: keys made, imported and told by their address, with passwords that are never shown."""

from __future__ import annotations

import getpass
import io
import json
import os
import sys
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from veriframe.adapters.starknet.account import keystore
from veriframe.adapters.starknet.account.accounts import counterfactual_address
from veriframe.cli import account, context, password
from veriframe.errors import SettingsError
from veriframe.model.registry.job import Address, format_address

SECRET = 0x71D7BB07B9A64F6F78AC4C816AFF4DA9
PUBLIC = 0x39D9E6CE352AD4530A0EF5D5A18FD3303C3606A7FA6AC5B620020AD681CC33B
WORD = "correct horse battery"
LOW = 4


class Desk:
    """A folder, the password in a file, and the command."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.word = folder / "word"
        self.word.write_text(f"{WORD}\n", encoding="utf-8")
        self.word.chmod(0o600)

    def run(self, *arguments: str | Path) -> Result:
        """One command with the password at hand."""
        given = [str(part) for part in (*arguments, "--password-file", self.word)]
        return CliRunner().invoke(account.app, given)

    def told(self, *arguments: str | Path) -> dict[str, str]:
        """What it answers, as JSON."""
        result = self.run(*arguments, "--json")
        assert result.exit_code == 0, result.exception
        answer: dict[str, str] = json.loads(result.stdout)
        return answer

    def refusal(self, *arguments: str | Path) -> str:
        """The sentence with which it refuses."""
        result = self.run(*arguments)
        assert isinstance(result.exception, SettingsError), result.output
        return str(result.exception)

    def sncast(self, mode: int = 0o600) -> Path:
        """An accounts file of two accounts."""
        entry = {"private_key": f"{SECRET:#x}", "public_key": f"{PUBLIC:#x}", "address": "0x1234"}
        path = self.folder / "accounts.json"
        path.write_text(json.dumps({"alpha-sepolia": {"me": entry, "you": entry}}), encoding="utf-8")
        path.chmod(mode)
        return path


@pytest.fixture
def order(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What happened; and keys that are cheap to open, in a process that stays as it is."""
    happened: list[str] = []
    given = password.given

    def noted(*arguments: object, **named: object) -> bytes:
        happened.append("password")
        return given(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(keystore, "write", partial(keystore.write, scrypt_n=LOW))
    monkeypatch.setattr(keystore, "protect_process", lambda: happened.append("protected"))
    monkeypatch.setattr(password, "given", noted)
    return happened


@pytest.fixture
def desk(tmp_path: Path, order: list[str]) -> Desk:
    """A desk in an empty folder."""
    assert order == []
    context.read_settings(None, [], {"home": str(tmp_path / "home")})
    return Desk(tmp_path)


def test_a_new_key_is_kept_and_told(desk: Desk, order: list[str]) -> None:
    """Its file opens with the password; told are its public side and its account's address."""
    path = desk.folder / "keys" / "worker.json"
    told = desk.told("create", path)
    key = keystore.read(path, WORD.encode())
    assert told == {
        "keystore": str(path),
        "public_key": f"{key.public_key:#066x}",
        "address": format_address(counterfactual_address(key.public_key)),
    }
    assert order == ["protected", "password"]


def test_a_key_is_never_replaced(desk: Desk, order: list[str]) -> None:
    """fault_78: it is said before a password is asked for."""
    path = desk.folder / "worker.json"
    path.touch()
    assert "never overwritten" in desk.refusal("create", path)
    assert "never overwritten" in desk.refusal("import", desk.sncast(), path)
    assert order == []


def test_an_account_of_sncast_is_imported(desk: Desk) -> None:
    """With the address that its file gives; the key is encrypted afterwards."""
    path = desk.folder / "worker.json"
    told = desk.told("import", desk.sncast(), path, "--name", "me")
    assert (int(told["public_key"], 16), told["address"]) == (PUBLIC, format_address(Address(0x1234)))
    assert keystore.read(path, WORD.encode()).public_key == PUBLIC
    assert f"{SECRET:x}" not in path.read_text(encoding="utf-8")


def test_a_keystore_of_starkli_is_imported(desk: Desk) -> None:
    """Under its own password, even a short one."""
    source, path = desk.folder / "starkli.json", desk.folder / "worker.json"
    keystore.write(source, keystore.Key(SECRET), b"short")
    desk.word.write_text("short", encoding="utf-8")
    assert int(desk.told("import", source, path)["public_key"], 16) == PUBLIC
    assert keystore.read(path, b"short").public_key == PUBLIC
    assert "leave --name out" in desk.refusal("import", source, desk.folder / "other", "--name", "me")


def test_imports_that_cannot_be_are_refused(desk: Desk) -> None:
    """fault_78: open to others, no choice, an unknown name, no accounts file; nothing is left behind."""
    path = desk.folder / "worker.json"
    assert "chmod 600" in desk.refusal("import", desk.sncast(0o644), path)
    assert "alpha-sepolia/me, alpha-sepolia/you" in desk.refusal("import", desk.sncast(), path)
    assert "Choose one" in desk.refusal("import", desk.sncast(), path, "--name", "who")
    assert "neither a keystore nor" in desk.refusal("import", desk.word, path)
    assert not path.exists()


def test_the_address_is_told(desk: Desk, order: list[str]) -> None:
    """From a keystore or from a public key, for any class and salt."""
    path = desk.folder / "worker.json"
    keystore.write(path, keystore.Key(SECRET), WORD.encode())
    expected = format_address(counterfactual_address(PUBLIC))
    assert desk.told("address", path)["address"] == expected
    assert order == ["protected", "password"]
    assert desk.told("address", "--public-key", f"{PUBLIC:#x}")["address"] == expected
    other = desk.told("address", path, "--class-hash", "0x1", "--salt", "0x2")
    assert other["address"] == format_address(counterfactual_address(PUBLIC, 1, 2))
    assert expected in desk.run("address", path).output


def test_the_settings_name_keystore_and_password(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service gives neither as an argument; `~` is the home folder, and what is given counts more."""
    monkeypatch.setenv("HOME", str(desk.folder))
    keystore.write(desk.folder / "worker.json", keystore.Key(SECRET), WORD.encode())
    keystore.write(desk.folder / "other.json", keystore.Key(SECRET + 1), WORD.encode())
    settings = ["keystore=~/worker.json", "password_file=~/word"]
    context.read_settings(None, settings, {"home": str(desk.folder / "home")})
    for arguments, secret in ((["address"], SECRET), (["address", "other.json"], SECRET + 1)):
        monkeypatch.chdir(desk.folder)
        result = CliRunner().invoke(account.app, [*arguments, "--json"])
        assert result.exit_code == 0, result.exception
        assert int(json.loads(result.stdout)["public_key"], 16) == keystore.Key(secret).public_key


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("address",), "Name a keystore"),
        (("address", "k", "--public-key", "0x1"), "not both"),
        (("address", "--public-key", "nonsense"), "is not a public key"),
        (("address", "--public-key", "0x1", "--class-hash", "1"), "is not a class hash"),
        (("address", "--public-key", "0x1", "--salt", "0x0"), "is not a salt"),
        (("address", "missing.json"), "No such file"),
        (("address", "--password-fd", "9", "missing.json"), "No such file"),
        (("create", "k", "--password-fd", "9"), "not by both"),
    ],
)
def test_nonsense_is_refused(desk: Desk, arguments: tuple[str, ...], sentence: str) -> None:
    """fault_78: one clear sentence."""
    assert sentence in desk.refusal(*arguments)


def test_a_wrong_password_is_one_sentence(desk: Desk) -> None:
    """fault_78, fault_79: and it does not show the password."""
    path = desk.folder / "worker.json"
    keystore.write(path, keystore.Key(SECRET), b"another")
    told = desk.refusal("address", path)
    assert told == f"The password does not open the keystore {path}."


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"word", b"word"), (b"word\n", b"word"), (b"word\r\n", b"word"), (b" word \n\n", b" word \n")],
)
def test_a_password_ends_before_its_newline(desk: Desk, content: bytes, expected: bytes) -> None:
    """One newline at the end is the editor's, all else is the password."""
    desk.word.write_bytes(content)
    assert password.given("?", desk.word, None) == expected
    assert password.given("?", None, _pipe(content)) == expected


def test_a_descriptor_is_closed_after_reading(desk: Desk) -> None:
    """So no process that is started later inherits it."""
    descriptor = _pipe(b"word")
    assert password.given("?", None, descriptor) == b"word"
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
    with pytest.raises(SettingsError, match="cannot be read"):
        password.given("?", None, descriptor)


def test_descriptors_that_bring_no_password_are_refused(desk: Desk) -> None:
    """fault_78: our own outputs, too much, nothing, a terminal."""
    master, terminal = os.openpty()
    for descriptor in (1, 2, _pipe(b"x" * 5000), _pipe(b""), _pipe(b"\n"), terminal):
        with pytest.raises(SettingsError):
            password.given("?", None, descriptor)
    os.close(master)
    os.close(terminal)


def test_a_password_file_that_others_can_read_is_refused(desk: Desk) -> None:
    """fault_78: with the remedy; and so is an empty or an endless one."""
    desk.word.chmod(0o640)
    with pytest.raises(SettingsError, match="chmod 600"):
        password.given("?", desk.word, None)
    desk.word.chmod(0o600)
    for content, sentence in ((b"\n", "is empty"), (b"x" * 5000, "larger than 4096")):
        desk.word.write_bytes(content)
        with pytest.raises(SettingsError, match=sentence):
            password.given("?", desk.word, None)


def test_a_new_password_is_not_too_short(desk: Desk) -> None:
    """An old one may be: it is there already."""
    desk.word.write_bytes(b"seven77")
    assert "too short" in desk.refusal("create", desk.folder / "k")
    assert password.given("?", desk.word, None) == b"seven77"


def test_without_a_terminal_nothing_is_asked(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """fault_78: a service says what it needs and does not hang."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(WORD))
    with pytest.raises(SettingsError, match="--password-file or --password-fd"):
        password.given("?", None, None)


def test_a_person_is_asked(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once for an old password, twice for a new one, which must be the same."""
    typed = iter(["one old word", "a new word", "a new word", "a new word", "a nwe word"])
    asked = _at_terminal(monkeypatch, lambda _question: next(typed))
    assert password.given("Old", None, None) == b"one old word"
    assert password.given("New", None, None, new=True) == b"a new word"
    with pytest.raises(SettingsError, match="differ"):
        password.given("New", None, None, new=True)
    assert asked == ["Old: ", "New: ", "Once more: ", "New: ", "Once more: "]


def test_a_terminal_that_would_show_the_password_is_refused(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is typed."""

    def answer(_question: str) -> str:
        warnings.warn("Can not control echo on the terminal.", getpass.GetPassWarning, stacklevel=1)
        return "shown"

    _at_terminal(monkeypatch, answer)
    with pytest.raises(SettingsError, match="would show the password"):
        password.given("?", None, None)


def _at_terminal(monkeypatch: pytest.MonkeyPatch, answer: Callable[[str], str]) -> list[str]:
    asked: list[str] = []

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    def ask(question: str) -> str:
        asked.append(question)
        return answer(question)

    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(getpass, "getpass", ask)
    return asked


def _pipe(content: bytes) -> int:
    reading, writing = os.pipe()
    os.write(writing, content)
    os.close(writing)
    return reading
