"""Arguments in, exit code out. A command is a few lines: settings, wiring, one call, one way to show it."""

from veriframe.cli.app import main

__all__ = ["main"]
