"""How the program is called: its names, its global options, and completion."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import structlog
import typer
from typer.testing import CliRunner

from veriframe import __version__
from veriframe.cli import app, context

LOADED = {name: app.load(name, app.Given()) for name in app.COMMANDS}


@pytest.mark.parametrize("name", app.COMMANDS)
def test_the_line_of_a_command_is_one_line(name: str) -> None:
    """A sentence that fits the help at 80 columns."""
    line = app.COMMANDS[name][1]
    assert line.endswith(".")
    assert len(line) <= 62
    assert LOADED[name].help


def commands(command: object, name: str) -> list[str]:
    """The names of a command and of all in it."""
    inner = getattr(command, "commands", {})
    return [name, *(each for key, one in inner.items() for each in commands(one, f"{name} {key}"))]


EVERY = [each for name, command in LOADED.items() for each in commands(command, name)]


def invoke(*arguments: str, **environment: str) -> tuple[int, str]:
    """The exit code and the output of a command line."""
    result = CliRunner().invoke(app.app, arguments, env=environment, prog_name="veriframe")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


@pytest.mark.parametrize("name", ["", *EVERY])
def test_every_command_has_help_under_both_names(name: str) -> None:
    """`-h`, too; and it says where the global options are."""
    short, long = (invoke(*name.split(), option) for option in ("-h", "--help"))
    assert short == long
    assert short[0] == 0
    assert f"Usage: veriframe {name}".strip() in short[1]
    assert "\\[" not in short[1]
    assert "..." not in short[1].partition("Commands:")[2], "a line is cut off"


@pytest.mark.parametrize("option", ["-V", "--version"])
def test_the_version_has_two_names(option: str) -> None:
    """As with most programs."""
    assert invoke(option) == (0, f"veriframe {__version__}\n")


@pytest.mark.parametrize(
    "place",
    ["{} config show --json", "config {} show --json", "config show {} --json", "config show --json {}"],
)
def test_global_options_may_stand_anywhere(place: str, tmp_path: Path) -> None:
    """Before the command, in it, and behind it."""
    (tmp_path / "file.toml").write_text("slots = 3\n", encoding="utf-8")
    given = (
        f"--home {tmp_path} --account someone --config {tmp_path / 'file.toml'} --set spares=2 --set pids=99"
    )
    code, output = invoke(*place.format(given).split())
    values = {name: setting["value"] for name, setting in json.loads(output)["settings"].items()}
    assert code == 0
    assert (values["home"], values["account"]) == (str(tmp_path), "someone")
    assert (values["slots"], values["spares"], values["pids"]) == (3, 2, 99)


def test_what_stands_behind_the_command_overrides(tmp_path: Path) -> None:
    """And `--set` adds up."""
    before, behind = (
        "--account a --set spares=1 --set pids=98",
        f"--account b --set spares=2 --home {tmp_path}",
    )
    _, output = invoke(*f"{before} config show --json {behind}".split())
    shown = json.loads(output)["settings"]
    assert [shown[name]["value"] for name in ("account", "spares", "pids")] == ["b", 2, 98]


@pytest.mark.parametrize("name", EVERY)
def test_no_command_has_a_global_option_of_its_own(name: str) -> None:
    """It would hide the global one."""
    command = LOADED[name.split(maxsplit=1)[0]]
    for part in name.split()[1:]:
        command = command.commands[part]
    options = [option for param in command.params for option in param.opts if option.startswith("-")]
    assert len(options) == len(set(options))
    assert {"--home", "--account", "--config", "--set"} <= set(options)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_completes_commands(shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of a group, too, with the words that the shell hands over."""
    monkeypatch.setenv("_VERIFRAME_COMPLETE", f"complete_{shell}")
    monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
    for line, expected in (("veriframe re", "registry"), ("veriframe job acc", "accept")):
        words = line.split()
        monkeypatch.setenv("_TYPER_COMPLETE_ARGS", line)
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
        assert expected in invoke()[1]


def test_completion_can_be_shown_and_installed(tmp_path: Path) -> None:
    """For the shell that calls; here bash."""
    for option in ("--show-completion", "--install-completion"):
        done = subprocess.run(
            ["/bin/bash", "-c", f"{sys.executable} -m veriframe {option}; exit $?"],
            env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert "_VERIFRAME_COMPLETE" in done.stdout or "bash" in done.stdout
    assert "_VERIFRAME_COMPLETE" in (tmp_path / ".bash_completions" / "veriframe.sh").read_text()


def test_a_usage_error_has_a_sentence_and_code_2() -> None:
    """With the name of the command that it concerns."""
    code, output = invoke("job", "show")
    assert code == 2
    assert "veriframe job show" in output


def test_the_root_help_lists_all_commands_with_their_lines() -> None:
    """In the order of the table."""
    _, output = invoke("--help")
    said = " ".join(output.split())
    places = [said.index(f" {name} {line}") for name, (_, line) in app.COMMANDS.items()]
    assert places == sorted(places)
    assert isinstance(app.app, typer.Typer)


def test_a_command_that_shows_results_writes_no_log_for_nobody(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A script's stderr has our sentences alone; a person's terminal warnings, too; a level is kept."""

    def logged(*, is_terminal: bool, quiet: bool, **flags: str) -> str:
        monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal, raising=False)
        context.read_settings(None, [], {"home": str(tmp_path), **flags}, quiet=quiet)
        context.begin_log()
        structlog.get_logger().warning("endpoint_failed")
        structlog.get_logger().info("worker_stopped")
        return capsys.readouterr().err

    assert logged(is_terminal=False, quiet=True) == ""
    shown = logged(is_terminal=True, quiet=True)
    assert ("endpoint_failed" in shown, "worker_stopped" in shown) == (True, False)
    assert "endpoint_failed" in logged(is_terminal=False, quiet=True, log_level="warning")
    assert "worker_stopped" in logged(is_terminal=False, quiet=False, log_level="error")
