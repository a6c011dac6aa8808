"""The command line. A command reads the settings, wires the parts, makes one call and shows the result."""

from veriframe.cli.app import main

__all__ = ["main"]
