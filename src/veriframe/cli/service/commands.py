"""`veriframe service install|show|uninstall`: writes and removes the unit file, and says how to go on."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from veriframe.cli import context
from veriframe.cli.display import show
from veriframe.cli.service.unit import MARK, ServiceUnit
from veriframe.errors import SettingsError
from veriframe.logs import redact_text
from veriframe.settings import PREFIX, Loaded

app = typer.Typer(help="The worker as a service of systemd.", no_args_is_help=True)

SYSTEM_UNITS = Path("/etc/systemd/system")

SECRETS = ("keystore", "password_file", "ipfs_token_file", "ipfs_replica_token_file", "pinning_token_file")
"""The settings that name files with secrets."""

_HIDDEN = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108 - the service has others of its own
_ROOT = 0

System = Annotated[
    bool, typer.Option("--system/--user", help="For the whole machine, or (the default) for you alone.")
]
As = Annotated[
    str | None, typer.Option("--as", metavar="USER", help="With --system: the user that the worker runs as.")
]


@app.callback()
def _group() -> None:
    """The worker as a service of systemd."""


@app.command()
def install(system: System = False, user: As = None) -> None:
    """Write a unit file for the worker, with the settings of this command. Nothing is started."""
    unit, path = _unit(context.current(), system, user), _file(system)
    _refuse_foreign(path)
    try:
        _make_home(unit)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(unit.text(), encoding="utf-8")
        path.chmod(0o644)
    except OSError as error:
        raise _cannot("written", path, error, system) from error
    show.line(f"Written: {path}")
    name = path.name
    show.line("Start it now, and with every start of the machine:")
    show.line(f"  {_systemctl(system)} enable --now {name}")
    if system:
        show.line("See what it does:")
        show.line(f"  journalctl -u {name} -f")
    else:
        show.line("Let it run while you are not logged in, too:")
        show.line("  loginctl enable-linger")


@app.command("show")
def show_unit(system: System = False, user: As = None) -> None:
    """Show the unit file that `install` would write."""
    sys.stdout.write(_unit(context.current(), system, user).text())


@app.command()
def uninstall(system: System = False) -> None:
    """Remove the unit file. A worker that runs goes on until it is stopped."""
    path = _file(system)
    if not path.exists():
        raise SettingsError(f"There is no service at {path}.")
    _refuse_foreign(path)
    target = "multi-user.target.wants" if system else "default.target.wants"
    try:
        path.unlink()
        (path.parent / target / path.name).unlink(missing_ok=True)
    except OSError as error:
        raise _cannot("removed", path, error, system) from error
    show.line(f"Removed: {path}")
    show.line("Stop the worker, if it runs; claimed jobs are finished first:")
    show.line(f"  {_systemctl(system)} stop {path.name}")
    show.line(f"  {_systemctl(system)} daemon-reload")


def _unit(loaded: Loaded, system: bool, user: str | None) -> ServiceUnit:
    if user is not None and not system:
        raise SettingsError("--as needs --system: your own service runs as you.")
    owner = _owner(user) if system else None
    home = _home(loaded, owner)
    program = Path(sys.executable).with_name("veriframe")
    if not program.exists():
        raise SettingsError(f"There is no program {program}. Install VeriFrame first: make setup.")
    if system and (hidden := [path for path in (home, program) if _is_hidden(path)]):
        raise SettingsError(f"A service of the system does not see {hidden[0]}: it has a /tmp of its own.")
    settings_file = _settings_file(loaded)
    secrets = _secrets(loaded)
    files = {name: str(path) for name, path in secrets.items() if not system}
    return ServiceUnit(
        command=[str(program), *(("--config", str(settings_file)) if settings_file else ()), "worker"],
        home=home,
        folder=Path.cwd() if settings_file else home,
        environment={"VERIFRAME_HOME": str(home), **_environment(loaded), **_named(files)},
        credentials=secrets if system else {},
        user=owner.pw_name if owner else None,
    )


def _owner(user: str | None) -> pwd.struct_passwd:
    """The account that a service of the system runs as. Raises `SettingsError`."""
    name = user or os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name
    try:
        owner = pwd.getpwnam(name)
    except KeyError:
        raise SettingsError(f"There is no user {name} on this machine.") from None
    if owner.pw_uid == _ROOT:
        raise SettingsError("The worker needs no root: name the user that it runs as, with --as USER.")
    return owner


def _home(loaded: Loaded, owner: pwd.struct_passwd | None) -> Path:
    if owner is not None and loaded.is_default("home"):
        return Path(owner.pw_dir) / ".veriframe"
    return loaded.settings.home


def _make_home(unit: ServiceUnit) -> None:
    """Makes the folder that the service may write to, as its own user. Raises `OSError`, `SettingsError`.

    Root must not make it there: whoever can write beside it could swap it for a link to a folder of root's.
    """
    if unit.user is None:
        unit.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        return
    if unit.home.exists():
        return
    owner = pwd.getpwnam(unit.user)
    identity: dict[str, Any] = {}
    if os.geteuid() == _ROOT:
        identity = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
    made = subprocess.run(
        ["/bin/mkdir", "-p", "-m", "700", "--", str(unit.home)],
        capture_output=True,
        check=False,
        cwd="/",
        env={},
        **identity,
    )
    if made.returncode:
        raise SettingsError(
            f"{unit.user} cannot make the folder {unit.home}. Make it, owned by {unit.user} with mode 0700."
        )


def _is_hidden(path: Path) -> bool:
    return any(path.is_relative_to(folder) for folder in _HIDDEN)


def _settings_file(loaded: Loaded) -> Path | None:
    """The settings file in use."""
    used = {origin.removeprefix("file ") for origin in loaded.origins.values() if origin.startswith("file ")}
    return Path(used.pop()).expanduser().absolute() if used else None


def _secrets(loaded: Loaded) -> Mapping[str, Path]:
    """The files with secrets, by setting. Raises `SettingsError` if a person would have to type one."""
    settings = loaded.settings
    if settings.registry == "starknet" and settings.keystore and settings.password_file is None:
        raise SettingsError(
            "A service has no terminal to ask for the password of the keystore. Put it into a file, mode "
            "0600, and set password_file: docs/keys.md."
        )
    named = {name: getattr(settings, name) for name in SECRETS}
    return {name: path.expanduser().absolute() for name, path in named.items() if path is not None}


def _environment(loaded: Loaded) -> Mapping[str, str]:
    """What was set by options and variables, which a service does not inherit.

    Raises `SettingsError` for an address with a login or key: whoever is logged in may read a unit.
    """
    values = loaded.settings.model_dump(mode="json")
    given = {
        name: _written(values[name], getattr(loaded.settings, name))
        for name, origin in loaded.origins.items()
        if not origin.startswith("file ") and not loaded.is_default(name)
    }
    for name, value in given.items():
        if redact_text(value) != value:
            raise SettingsError(
                f"{name} holds a login or a key, and other users of this machine may read a unit file."
                " Write it into a settings file of the worker's user: veriframe config init."
            )
    return _named({name: value for name, value in given.items() if name not in (*SECRETS, "home")})


def _named(values: Mapping[str, str]) -> Mapping[str, str]:
    return {f"{PREFIX}{name.upper()}": value for name, value in values.items()}


def _written(value: object, typed: object) -> str:
    """A value as the environment has it."""
    if isinstance(typed, Path):
        return str(typed.expanduser().absolute())
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _file(system: bool) -> Path:
    account = context.current().settings.account
    name = f"veriframe-{account}.service" if account else "veriframe.service"
    if system:
        return SYSTEM_UNITS / name
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "systemd" / "user" / name


def _refuse_foreign(path: Path) -> None:
    """Raises `SettingsError` if another hand wrote this file."""
    if path.is_symlink() or (path.exists() and not path.read_text(errors="replace").startswith(MARK)):
        raise SettingsError(
            f"{path} was not written by this command. Remove it first, or set another account."
        )


def _cannot(what: str, path: Path, error: OSError, system: bool) -> SettingsError:
    remedy = ""
    if system and isinstance(error, PermissionError):
        remedy = f" Run: veriframe service show --system | sudo tee {path}"
    return SettingsError(f"{path} cannot be {what}: {error.strerror}.{remedy}")


def _systemctl(system: bool) -> str:
    return "systemctl" if system else "systemctl --user"
