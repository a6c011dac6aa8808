"""The root command: global options and all commands."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from veriframe import __version__, stderr
from veriframe.cli import account, config, demo, doctor, job, registry, scene
from veriframe.cli.context import finish, read_settings
from veriframe.cli.display.error import exit_code, say
from veriframe.cli.service import commands as service
from veriframe.cli.worker import command, status
from veriframe.errors import VeriFrameError

app = typer.Typer(
    name="veriframe",
    help="Render Blender frames on independent machines, paid through escrow.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(job.app, name="job")
app.add_typer(scene.app, name="scene")
app.add_typer(account.app, name="account")
app.add_typer(registry.app, name="registry")
app.add_typer(config.app, name="config")
app.add_typer(service.app, name="service")
app.command("worker")(command.worker)
app.command("status")(status.status)
app.command("doctor")(doctor.doctor)
app.command("demo")(demo.demo)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"veriframe {__version__}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    home: Annotated[
        str | None, typer.Option(help="Folder for the journal, work files and embedded parts.")
    ] = None,
    account_name: Annotated[str | None, typer.Option("--account", help="Name of the acting account.")] = None,
    config_file: Annotated[Path | None, typer.Option("--config", help="A settings file (TOML).")] = None,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Any setting; may be repeated.")
    ] = None,
    _show_version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Render Blender frames on independent machines, paid through escrow."""
    read_settings(
        config_file,
        assignments or (),
        {"home": home, "account": account_name},
        quiet=context.invoked_subcommand != "worker",
    )


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and exit with its code. A `VeriFrameError` becomes one sentence on stderr."""
    stderr.install()
    try:
        app(args=None if arguments is None else list(arguments))
    except VeriFrameError as error:
        say(error)
        sys.exit(exit_code(error))
    finally:
        finish()
    sys.exit(0)
