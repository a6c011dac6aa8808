"""`veriframe account`: creates and imports keys and shows addresses, and never shows passwords."""

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


class Shell:
    """Runs the command in a folder with a password file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.word = folder / "word"
        self.word.write_text(f"{WORD}\n", encoding="utf-8")
        self.word.chmod(0o600)

    def run(self, *arguments: str | Path) -> Result:
        """Run a command with the password file."""
        given = [str(part) for part in (*arguments, "--password-file", self.word)]
        return CliRunner().invoke(account.app, given)

    def answer(self, *arguments: str | Path) -> dict[str, str]:
        """The command's answer, as JSON."""
        result = self.run(*arguments, "--json")
        assert result.exit_code == 0, result.exception
        answer: dict[str, str] = json.loads(result.stdout)
        del answer["version"]
        return answer

    def refusal(self, *arguments: str | Path) -> str:
        """The sentence of the command's error."""
        result = self.run(*arguments)
        assert isinstance(result.exception, SettingsError), result.output
        return str(result.exception)

    def sncast(self, mode: int = 0o600) -> Path:
        """An sncast file with two accounts."""
        entry = {"private_key": f"{SECRET:#x}", "public_key": f"{PUBLIC:#x}", "address": "0x1234"}
        path = self.folder / "accounts.json"
        path.write_text(json.dumps({"alpha-sepolia": {"me": entry, "you": entry}}), encoding="utf-8")
        path.chmod(mode)
        return path


@pytest.fixture
def order(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record the order of events, with cheap key derivation and without protecting this process."""
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
def shell(tmp_path: Path, order: list[str]) -> Shell:
    """A shell in an empty folder."""
    assert order == []
    context.read_settings(None, [], {"home": str(tmp_path / "home")})
    return Shell(tmp_path)


def test_a_new_key_is_stored_and_shown(shell: Shell, order: list[str]) -> None:
    """Its file opens with the password; the output has the public key and the account's address."""
    path = shell.folder / "keys" / "worker.json"
    shown = shell.answer("create", path)
    key = keystore.read(path, WORD.encode())
    assert shown == {
        "keystore": str(path),
        "public_key": f"{key.public_key:#066x}",
        "address": format_address(counterfactual_address(key.public_key)),
    }
    assert order == ["protected", "password"]


def test_a_key_is_never_replaced(shell: Shell, order: list[str]) -> None:
    """fault_78: the error comes before the question for a password."""
    path = shell.folder / "worker.json"
    path.touch()
    assert "never overwritten" in shell.refusal("create", path)
    assert "never overwritten" in shell.refusal("import", shell.sncast(), path)
    assert order == []


def test_an_account_of_sncast_is_imported(shell: Shell) -> None:
    """With the address from its file; the new file is encrypted."""
    path = shell.folder / "worker.json"
    shown = shell.answer("import", shell.sncast(), path, "--name", "me")
    assert (int(shown["public_key"], 16), shown["address"]) == (PUBLIC, format_address(Address(0x1234)))
    assert keystore.read(path, WORD.encode()).public_key == PUBLIC
    assert f"{SECRET:x}" not in path.read_text(encoding="utf-8")


def test_a_keystore_of_starkli_is_imported(shell: Shell) -> None:
    """With its own password, even a short one."""
    source, path = shell.folder / "starkli.json", shell.folder / "worker.json"
    keystore.write(source, keystore.Key(SECRET), b"short")
    shell.word.write_text("short", encoding="utf-8")
    assert int(shell.answer("import", source, path)["public_key"], 16) == PUBLIC
    assert keystore.read(path, b"short").public_key == PUBLIC
    assert "leave --name out" in shell.refusal("import", source, shell.folder / "other", "--name", "me")


def test_imports_that_cannot_be_are_refused(shell: Shell) -> None:
    """fault_78: readable by others, no choice, unknown name, not an accounts file; leaves no file behind."""
    path = shell.folder / "worker.json"
    assert "chmod 600" in shell.refusal("import", shell.sncast(0o644), path)
    assert "alpha-sepolia/me, alpha-sepolia/you" in shell.refusal("import", shell.sncast(), path)
    assert "Choose one" in shell.refusal("import", shell.sncast(), path, "--name", "who")
    assert "neither a keystore nor" in shell.refusal("import", shell.word, path)
    assert not path.exists()


def test_the_address_is_shown(shell: Shell, order: list[str]) -> None:
    """From a keystore or from a public key, for any class and salt."""
    path = shell.folder / "worker.json"
    keystore.write(path, keystore.Key(SECRET), WORD.encode())
    expected = format_address(counterfactual_address(PUBLIC))
    assert shell.answer("address", path)["address"] == expected
    assert order == ["protected", "password"]
    assert shell.answer("address", "--public-key", f"{PUBLIC:#x}")["address"] == expected
    other = shell.answer("address", path, "--class-hash", "0x1", "--salt", "0x2")
    assert other["address"] == format_address(counterfactual_address(PUBLIC, 1, 2))
    assert expected in shell.run("address", path).output


def test_the_settings_name_keystore_and_password(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service passes neither as an argument; `~` is the home folder, and arguments take precedence."""
    monkeypatch.setenv("HOME", str(shell.folder))
    keystore.write(shell.folder / "worker.json", keystore.Key(SECRET), WORD.encode())
    keystore.write(shell.folder / "other.json", keystore.Key(SECRET + 1), WORD.encode())
    settings = ["keystore=~/worker.json", "password_file=~/word"]
    context.read_settings(None, settings, {"home": str(shell.folder / "home")})
    for arguments, secret in ((["address"], SECRET), (["address", "other.json"], SECRET + 1)):
        monkeypatch.chdir(shell.folder)
        result = CliRunner().invoke(account.app, [*arguments, "--json"])
        assert result.exit_code == 0, result.exception
        assert int(json.loads(result.stdout)["public_key"], 16) == keystore.Key(secret).public_key


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("address",), "Pass a keystore"),
        (("address", "k", "--public-key", "0x1"), "not both"),
        (("address", "--public-key", "nonsense"), "is not a public key"),
        (("address", "--public-key", "0x1", "--class-hash", "1"), "is not a class hash"),
        (("address", "--public-key", "0x1", "--salt", "0x0"), "is not a salt"),
        (("address", "missing.json"), "No such file"),
        (("address", "--password-fd", "9", "missing.json"), "No such file"),
        (("create", "k", "--password-fd", "9"), "not both"),
    ],
)
def test_nonsense_is_refused(shell: Shell, arguments: tuple[str, ...], sentence: str) -> None:
    """fault_78: with one clear sentence."""
    assert sentence in shell.refusal(*arguments)


def test_a_wrong_password_is_one_sentence(shell: Shell) -> None:
    """fault_78, fault_79: the sentence does not show the password."""
    path = shell.folder / "worker.json"
    keystore.write(path, keystore.Key(SECRET), b"another")
    shown = shell.refusal("address", path)
    assert shown == f"The password does not open the keystore {path}."


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"word", b"word"), (b"word\n", b"word"), (b"word\r\n", b"word"), (b" word \n\n", b" word \n")],
)
def test_a_password_ends_before_its_newline(shell: Shell, content: bytes, expected: bytes) -> None:
    """One newline at the end is ignored; everything else belongs to the password."""
    shell.word.write_bytes(content)
    assert password.given("?", shell.word, None) == expected
    assert password.given("?", None, _pipe(content)) == expected


def test_a_descriptor_is_closed_after_reading(shell: Shell) -> None:
    """So that no later process inherits it."""
    descriptor = _pipe(b"word")
    assert password.given("?", None, descriptor) == b"word"
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
    with pytest.raises(SettingsError):
        password.given("?", None, descriptor)


def test_descriptors_without_a_password_are_refused(shell: Shell) -> None:
    """fault_78: our own outputs, too many bytes, no bytes, a terminal."""
    master, terminal = os.openpty()
    for descriptor in (1, 2, _pipe(b"x" * 5000), _pipe(b""), _pipe(b"\n"), terminal):
        with pytest.raises(SettingsError):
            password.given("?", None, descriptor)
    os.close(master)
    os.close(terminal)


def test_a_password_file_that_others_can_read_is_refused(shell: Shell) -> None:
    """fault_78: with the remedy. An empty or a too large file is refused, too."""
    shell.word.chmod(0o640)
    with pytest.raises(SettingsError, match="chmod 600"):
        password.given("?", shell.word, None)
    shell.word.chmod(0o600)
    for content in (b"\n", b"x" * 5000):
        shell.word.write_bytes(content)
        with pytest.raises(SettingsError):
            password.given("?", shell.word, None)


def test_a_new_password_is_not_too_short(shell: Shell) -> None:
    """An existing one may be short."""
    shell.word.write_bytes(b"seven77")
    assert "too short" in shell.refusal("create", shell.folder / "k")
    assert password.given("?", shell.word, None) == b"seven77"


def test_without_a_terminal_nothing_is_asked(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """fault_78: a service fails with the remedy and does not hang."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(WORD))
    with pytest.raises(SettingsError, match="--password-file or --password-fd"):
        password.given("?", None, None)


def test_a_person_is_asked(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once for an existing password, twice for a new one; both answers must agree."""
    typed = iter(["one old word", "a new word", "a new word", "a new word", "a nwe word"])
    asked = _at_terminal(monkeypatch, lambda _question: next(typed))
    assert password.given("Old", None, None) == b"one old word"
    assert password.given("New", None, None, new=True) == b"a new word"
    with pytest.raises(SettingsError):
        password.given("New", None, None, new=True)
    assert asked == ["Old: ", "New: ", "Repeat it: ", "New: ", "Repeat it: "]


def test_a_terminal_that_would_show_the_password_is_refused(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error comes before anything is typed."""

    def answer(_question: str) -> str:
        warnings.warn("Can not control echo on the terminal.", getpass.GetPassWarning, stacklevel=1)
        return "shown"

    _at_terminal(monkeypatch, answer)
    with pytest.raises(SettingsError):
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
