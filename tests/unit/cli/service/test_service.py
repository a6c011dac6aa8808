"""`veriframe service`: the unit file that it writes, and what it says."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from veriframe.cli import context
from veriframe.cli.service import commands
from veriframe.cli.service.unit import MARK
from veriframe.errors import SettingsError


class Machine:
    """A user's folders, where commands run with settings."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "config" / "systemd" / "user" / "veriframe.service"
        self.settings: list[str] = []
        self.config: Path | None = None

    def run(self, *arguments: str) -> Result:
        """Run a command."""
        context.read_settings(self.config, self.settings, {"home": str(self.folder / "home")})
        return CliRunner().invoke(commands.app, arguments)

    def refusal(self, *arguments: str) -> str:
        """The sentence of a command that ends with a `SettingsError`."""
        error = self.run(*arguments).exception
        assert isinstance(error, SettingsError)
        return str(error)

    def installed(self, *arguments: str) -> dict[str, list[str]]:
        """Install, and read the file."""
        result = self.run("install", *arguments)
        assert result.exit_code == 0, result.exception
        return entries(self.file.read_text())


def entries(text: str) -> dict[str, list[str]]:
    """The values of a unit file by name."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if not line.startswith(("#", "[")) and line:
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine with empty folders."""
    for name in [name for name in os.environ if name.startswith("VERIFRAME_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(commands, "SYSTEM_UNITS", tmp_path / "system")
    monkeypatch.setattr(commands, "_HIDDEN", ())
    monkeypatch.chdir(tmp_path)
    return Machine(tmp_path)


def test_the_users_own_service_is_written_and_explained(machine: Machine) -> None:
    """Two commands go on from there; the home folder exists afterwards, for its user only."""
    result = machine.run("install")
    assert str(machine.file) in result.stdout
    assert "systemctl --user enable --now veriframe.service" in result.stdout
    assert "loginctl enable-linger" in result.stdout
    unit = entries(machine.file.read_text())
    (program,) = unit["ExecStart"]
    assert program.endswith('/veriframe" "worker"')
    assert unit["WantedBy"] == ["default.target"]
    assert unit["KillMode"] == ["mixed"]
    assert unit["RestartPreventExitStatus"] == ["2"]
    assert (machine.folder / "home").stat().st_mode & 0o777 == 0o700


def test_what_a_render_needs_is_not_forbidden(machine: Machine) -> None:
    """The sandbox makes namespaces and mounts a fresh /proc; Blender makes code while it runs."""
    for arguments in ((), ("--system", "--as", "daemon")):
        unit = entries(machine.run("show", *arguments).stdout)
        harmful = {
            *("RestrictNamespaces", "ProtectHostname", "ProtectProc", "ProcSubset", "PrivateUsers"),
            *("ProtectKernelTunables", "ProtectKernelLogs", "MemoryDenyWriteExecute", "PrivateNetwork"),
        }
        assert harmful & unit.keys() == set()
        assert unit["NoNewPrivileges"] == ["yes"]
        assert {"AF_NETLINK", "AF_UNIX"} <= set(unit["RestrictAddressFamilies"][0].split())


def test_only_the_systems_service_has_mounts_of_its_own(machine: Machine) -> None:
    """A user's manager could make them only with PrivateUsers, where root's files seem to be nobody's."""
    own = entries(machine.run("show").stdout)
    system = entries(machine.run("show", "--system", "--as", "daemon").stdout)
    mounts = {"ProtectSystem", "ProtectHome", "ReadWritePaths", "PrivateTmp", "PrivateDevices"}
    assert (mounts & own.keys(), mounts - system.keys()) == (set(), set())
    assert system["User"] == ["daemon"]
    assert system["ReadWritePaths"] == [f'"{machine.folder / "home"}"']


def test_the_service_has_the_settings_of_the_command(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Options and variables are written down; those of a file stay there, and the file is named."""
    machine.config = machine.folder / "my settings.toml"
    machine.config.write_text("slots = 3\nnice = 4\n")
    machine.settings = [
        "slots=2",
        "engines=CYCLES, BLENDER_EEVEE",
        "work_hours=22:00-07:00",
        "store_bytes=1GiB",
    ]
    monkeypatch.setenv("IPFS_API", "/dns/100%/tcp/5001/http")
    unit = machine.installed()
    variables = {
        line.strip('"').partition("=")[0]: line.strip('"').partition("=")[2] for line in unit["Environment"]
    }
    assert variables == {
        "VERIFRAME_HOME": str(machine.folder / "home"),
        "VERIFRAME_SLOTS": "2",
        "VERIFRAME_ENGINES": "CYCLES,BLENDER_EEVEE",
        "VERIFRAME_WORK_HOURS": "22:00-07:00",
        "VERIFRAME_STORE_BYTES": str(2**30),
        "VERIFRAME_IPFS_API": "/dns/100%%/tcp/5001/http",
    }
    assert f'"--config" "{machine.config}"' in unit["ExecStart"][0]
    assert unit["WorkingDirectory"] == [str(machine.folder)]


def test_secrets_stay_in_their_files(machine: Machine) -> None:
    """fault_79: the user's service names them; systemd hands them to the system's one."""
    secrets = [machine.folder / name for name in ("key.json", "password")]
    machine.settings = [f"keystore={secrets[0]}", f"password_file={secrets[1].name}"]
    own = entries(machine.run("show").stdout)
    assert f'"VERIFRAME_PASSWORD_FILE={secrets[1]}"' in own["Environment"]
    assert "LoadCredential" not in own
    system = entries(machine.run("show", "--system", "--as", "daemon").stdout)
    assert system["LoadCredential"] == [f"keystore:{secrets[0]}", f"password_file:{secrets[1]}"]
    assert "VERIFRAME_KEYSTORE=%d/keystore" in system["Environment"]
    assert "VERIFRAME_PASSWORD_FILE=%d/password_file" in system["Environment"]


@pytest.mark.parametrize(
    "setting",
    [
        "starknet_rpc=https://user:hunter2@rpc.example.org/v2",
        "starknet_rpc=https://rpc.example.org/v2/SECRETAPIKEY123",
        "ipfs_api=https://bob:passw0rd@h:5001",
    ],
)
def test_an_address_with_a_key_does_not_go_into_a_unit(machine: Machine, setting: str) -> None:
    """fault_203: everyone may read a unit; a settings file is the owner's."""
    machine.settings = [setting]
    assert "config init" in machine.refusal("install")
    assert not machine.file.exists()


def test_a_line_break_is_refused(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """fault_203: it would begin a directive of its own."""
    folder = machine.folder / "x\nExecStartPre=touch\n#"
    folder.mkdir()
    machine.config = folder / "veriframe.toml"
    machine.config.write_text("slots = 3\n")
    monkeypatch.chdir(folder)
    assert "control characters" in machine.refusal("show")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_root_makes_no_folder_beside_the_services_user(machine: Machine) -> None:
    """fault_203: the folder is made by its user, who may put no folder of root's in its place."""
    machine.folder.chmod(0o755)
    for parent in [p for p in machine.folder.parents if p.is_relative_to("/tmp") and p != Path("/tmp")]:
        parent.chmod(0o755)
    place = machine.folder / "place"
    place.mkdir()
    shutil.chown(place, "daemon")
    machine.settings = [f"home={place / 'home'}"]
    result = machine.run("install", "--system", "--as", "daemon")
    assert result.exit_code == 0, result.exception
    made = (place / "home").stat()
    assert (made.st_uid, made.st_mode & 0o777) == (place.stat().st_uid, 0o700)
    shutil.rmtree(place / "home")
    shutil.chown(place, "root")
    assert "Make it" in machine.refusal("install", "--system", "--as", "daemon")


def test_a_password_that_a_person_would_have_to_type_is_refused(machine: Machine) -> None:
    """fault_193: a service has no terminal; the remedy is named."""
    machine.settings = ["keystore=key.json", "job_registry_address=0x1"]
    assert "password_file" in machine.refusal("install")
    assert not machine.file.exists()


def test_the_file_of_another_hand_is_left_alone(machine: Machine) -> None:
    """fault_193: it is neither replaced nor removed; our own is."""
    machine.file.parent.mkdir(parents=True)
    machine.file.write_text("[Service]\n")
    for command in ("install", "uninstall"):
        assert str(machine.file) in machine.refusal(command)
    assert machine.file.read_text() == "[Service]\n"
    machine.file.write_text(f"{MARK}\n")
    machine.installed()
    assert machine.file.read_text() != f"{MARK}\n"


def test_the_systems_service_never_runs_as_root(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """fault_193: whoever calls sudo, or --as, says who runs it; and /tmp is another one there."""
    monkeypatch.delenv("SUDO_USER", raising=False)
    for arguments in (("--as", "root"), ("--as", "no-such-user")):
        assert "--as" in machine.refusal("install", "--system", *arguments) or "no-such-user" in arguments
    monkeypatch.setenv("SUDO_USER", "daemon")
    assert entries(machine.run("show", "--system").stdout)["User"] == ["daemon"]
    assert "--system" in machine.refusal("install", "--as", "daemon")
    monkeypatch.setattr(commands, "_HIDDEN", (machine.folder,))
    assert str(machine.folder / "home") in machine.refusal("install", "--system", "--as", "daemon")


def test_uninstall_removes_the_file_and_its_link(machine: Machine) -> None:
    """What runs is not stopped; the command that does is named."""
    machine.installed()
    link = machine.file.parent / "default.target.wants" / machine.file.name
    link.parent.mkdir()
    link.symlink_to(machine.file)
    result = machine.run("uninstall")
    assert "systemctl --user stop veriframe.service" in result.stdout
    assert not machine.file.exists()
    assert not link.is_symlink()
    assert str(machine.file) in machine.refusal("uninstall")


def test_each_account_has_a_service_of_its_own(machine: Machine) -> None:
    """Two workers on one machine."""
    machine.settings = ["account=second"]
    machine.run("install")
    assert (machine.file.parent / "veriframe-second.service").exists()
    assert not machine.file.exists()


def verified(unit: Path, kind: str) -> str:
    """What systemd has to say about a file."""
    done = subprocess.run(
        ["systemd-analyze", kind, "verify", "--man=no", str(unit)],
        env={**os.environ, "XDG_RUNTIME_DIR": str(unit.parent)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return "\n".join(line for line in done.stderr.splitlines() if unit.name in line)


if shutil.which("systemd-analyze"):  # without it there is nothing to ask

    @pytest.mark.parametrize("arguments", [(), ("--system", "--as", "daemon")])
    def test_systemd_has_no_complaint(machine: Machine, arguments: tuple[str, ...]) -> None:
        """Neither about the file nor about a directive that it does not know."""
        machine.settings = [f"password_file={machine.folder / 'p%w'}", "engines=A B"]
        (machine.folder / "home").mkdir()
        machine.run("install", *arguments)
        unit = machine.folder / "system" / "veriframe.service" if arguments else machine.file
        kind = arguments[0] if arguments else "--user"
        assert verified(unit, kind) == ""
        unit.write_text(unit.read_text().replace("LockPersonality=yes", "LockPersonalities=yes"))
        assert "LockPersonalities" in verified(unit, kind)
