"""Runs attacks by name, in the sandbox. Standard library only.

Arguments: shown folder, output folder, mark, names. Without names it reports `ready` and reads them, a JSON
list, from the command pipe. Writes one JSON line per attack to the report pipe. The mark is not used; by this
word in the command line the self-test finds processes that were left behind.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
from pathlib import Path

DECOY_FILE = "decoys.json"
"""The file in the shown folder that lists the decoys."""

_SUBJECTS = ("files", "processes", "kernel", "bombs")


def _report(name: str, detail: str, *, held: bool) -> None:
    line = json.dumps({"name": name, "held": held, "detail": detail})
    os.write(int(os.environ["REPORT_FD"]), line.encode() + b"\n")


def main() -> None:
    """Try the named attacks, one after another. Exit code 1 if one was held, as in a program that fails."""
    code = 0
    shown, out, _, *names = sys.argv[1:]
    if not names:
        _report("ready", "", held=True)
        with os.fdopen(int(os.environ["COMMAND_FD"])) as commands:
            names = json.loads(commands.readline())
    decoys = {**json.loads(Path(shown, DECOY_FILE).read_text()), "shown_folder": shown, "out": out}
    here = Path(__file__).parent
    attacks = {k: v for name in _SUBJECTS for k, v in runpy.run_path(str(here / f"{name}.py")).items()}
    for name in names:
        try:
            reached = attacks[name](decoys)
        except (OSError, MemoryError) as refusal:
            _report(name, str(refusal) or type(refusal).__name__, held=True)
            code = 1
        else:
            _report(name, reached, held=False)
    sys.exit(code)


if __name__ == "__main__":
    main()
