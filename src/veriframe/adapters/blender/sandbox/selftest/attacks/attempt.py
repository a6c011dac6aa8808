"""Makes attacks by their names, inside the walls. Standard library only.

Arguments: shown folder, output folder, mark, names. One JSON line per attack goes to the report pipe. The
mark only stands in the command line, where the self-test finds what was left behind.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
from pathlib import Path

DECOY_FILE = "bait.json"
"""In the shown folder: what there is to attack."""

_SUBJECTS = ("files", "processes", "kernel", "bombs")


def _say(name: str, detail: str, *, held: bool) -> None:
    line = json.dumps({"name": name, "held": held, "detail": detail})
    os.write(int(os.environ["REPORT_FD"]), line.encode() + b"\n")


def main() -> None:
    """Try the named attacks, one after another. Exit code 1 where one was held, as a program fails by it."""
    code = 0
    shown, out, _, *names = sys.argv[1:]
    decoys = {**json.loads(Path(shown, DECOY_FILE).read_text()), "shown_folder": shown, "out": out}
    here = Path(__file__).parent
    attacks = {k: v for name in _SUBJECTS for k, v in runpy.run_path(str(here / f"{name}.py")).items()}
    for name in names:
        try:
            reached = attacks[name](decoys)
        except (OSError, MemoryError) as refusal:
            _say(name, str(refusal) or type(refusal).__name__, held=True)
            code = 1
        else:
            _say(name, reached, held=False)
    sys.exit(code)


if __name__ == "__main__":
    main()
