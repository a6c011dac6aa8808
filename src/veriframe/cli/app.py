"""The root command: its options, and the table of all commands.

A command's module is imported when the command is called, so that each one starts as fast as it can.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

from veriframe import __version__, interrupts, stderr, stdout
from veriframe.cli import usage
from veriframe.errors import VeriFrameError

COMMANDS = {
    "worker": ("veriframe.cli.worker.command:worker", "Claim jobs, render them and get paid."),
    "status": (
        "veriframe.cli.worker.status:status",
        "Show what the worker does, from another terminal.",
    ),
    "order": ("veriframe.cli.order:app", "Have scenes and animations rendered, and get their frames."),
    "job": ("veriframe.cli.job:app", "Post scenes, follow their jobs, fetch and accept results."),
    "verify": ("veriframe.cli.verification.verify:verify", "Prove results right by rendering parts again."),
    "arbiter": ("veriframe.cli.arbiter.command:arbiter", "Decide the disputes that name an account."),
    "scene": ("veriframe.cli.scene:app", "Check or render a scene without a job."),
    "account": ("veriframe.cli.account:app", "An account's key and money."),
    "registry": ("veriframe.cli.registry:app", "The job registry itself."),
    "config": ("veriframe.cli.config:app", "The settings."),
    "service": ("veriframe.cli.service.commands:app", "Keep a worker running: a service of systemd."),
    "doctor": ("veriframe.cli.doctor:doctor", "Check everything that the worker needs."),
    "demo": ("veriframe.cli.demo:demo", "Run the whole system once, on this machine."),
}
"""All commands in the order of the help: where each one is, a function or a group, and its line there."""

SERVICES = ("worker",)
"""Commands that always run until they are stopped: their log shows what they do."""

_PLAIN = None
"""Typer's markup mode of all help: rich takes longer than any light command."""


@dataclass
class Given:
    """The values of the global options, whether they stand before a command or behind it."""

    flags: dict[str, str] = field(default_factory=dict)
    config: Path | None = None
    assignments: list[str] = field(default_factory=list)


def _keep(context: typer.Context, option: typer.CallbackParam, value: Any) -> None:  # noqa: ANN401
    """Keep a global option. One that stands further behind overrides."""
    given = context.find_root().ensure_object(Given)
    if isinstance(value, list):
        given.assignments += value
    elif isinstance(value, Path):
        given.config = value
    elif value is not None:
        given.flags[option.name] = value


def _global_options(
    home: Annotated[
        str | None,
        typer.Option(
            callback=_keep, expose_value=False, help="Folder for the journal, work files and embedded parts."
        ),
    ] = None,
    account: Annotated[
        str | None, typer.Option(callback=_keep, expose_value=False, help="Name of the acting account.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(callback=_keep, expose_value=False, help="A settings file (TOML).")
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            callback=_keep,
            expose_value=False,
            help="Any setting; may be repeated.",
        ),
    ] = None,
) -> None:
    """Take the global options, which every command has."""


def _params(*, hidden: bool) -> list[Any]:
    holder = typer.Typer(add_completion=False)
    holder.command()(_global_options)
    params: list[Any] = get_command(holder).params
    for param in params:
        param.hidden = hidden
    return params


class _Commands(TyperGroup):
    """The commands of `COMMANDS`: only their lines, until one of them is called."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401
        super().__init__(**options)
        self.params[:0] = _params(hidden=False)
        for name, (_, line) in COMMANDS.items():
            self.add_command(TyperCommand(name, short_help=line, rich_markup_mode=_PLAIN))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401
        """Find and import the command."""
        name, found, rest = super().resolve_command(ctx, args)
        return name, found and load(str(found.name), ctx.ensure_object(Given)), rest


def load(name: str, given: Given) -> Any:  # noqa: ANN401
    """Import a command of `COMMANDS`. When it is called, it reads the settings that `given` has by then."""
    module, _, attribute = COMMANDS[name][0].partition(":")
    found = getattr(import_module(module), attribute)
    if isinstance(found, typer.Typer):
        found.rich_markup_mode = _PLAIN
        command: Any = get_group(found)
    else:
        holder = typer.Typer(add_completion=False, rich_markup_mode=_PLAIN)
        holder.command(name)(found)
        command = get_command(holder)
    command.name = name
    # The log of a service shows what it does; other commands show their results.
    _frame(command, given, quiet=name not in SERVICES)
    return command


def _frame(command: Any, given: Given, *, quiet: bool) -> None:  # noqa: ANN401
    """Give a command, and those in it, the global options, and read the settings before it begins."""
    command.params += _params(hidden=True)
    # The first sentence, whole: a line of its group's help would be cut off.
    command.short_help = re.split(r"(?<=\.)\s", command.help or "", maxsplit=1)[0]
    if isinstance(command, TyperGroup):
        for each in command.commands.values():
            _frame(each, given, quiet=quiet)
        return
    begin, parse = command.callback, command.parse_args

    def parsed(context: Any, arguments: list[str]) -> Any:  # noqa: ANN401
        with usage.in_our_words():
            return parse(context, arguments)

    def framed(**values: Any) -> Any:  # noqa: ANN401
        from veriframe.cli import context  # noqa: PLC0415 - half of the time of a light command

        interrupts.end_in_order()
        try:
            context.read_settings(given.config, given.assignments, given.flags, quiet=quiet)
            return begin(**values)
        finally:
            context.finish()

    command.callback, command.parse_args = framed, parsed
    command.epilog = f"{command.epilog or ''}\n\nGlobal options: see veriframe --help.".strip()


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"veriframe {__version__}")
        raise typer.Exit


app = typer.Typer(
    cls=_Commands,
    name="veriframe",
    no_args_is_help=True,
    rich_markup_mode=_PLAIN,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="The options --home, --account, --config and --set may also stand behind a command.",
)


@app.callback()
def root(
    _show_version: Annotated[
        bool,
        typer.Option("--version", "-V", callback=_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Render Blender frames on independent machines, paid through escrow."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and exit with its code. A `VeriFrameError` becomes one sentence on stderr."""
    stderr.install()
    stdout.install()
    try:
        try:
            app(args=None if arguments is None else list(arguments), prog_name="veriframe")
        finally:
            sys.stdout.flush()
    except VeriFrameError as error:
        from veriframe.cli.display.error import exit_code, say  # noqa: PLC0415 - nothing else here needs rich

        say(error)
        sys.exit(exit_code(error))
    finally:
        # Nothing is left to put in order.
        interrupts.end_quietly()
    sys.exit(0)
