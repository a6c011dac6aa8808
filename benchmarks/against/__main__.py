"""Compares this checkout's worker with that of an earlier revision, in one run: `make bench-against REV=…`.

    python -m benchmarks.against REVISION              everything: about an hour
    python -m benchmarks.against REVISION --quick      small numbers: some minutes
    python -m benchmarks.against REVISION --only a,c   some figures, by their letters

Both run from one virtual environment, in turns, as separate processes through their own commands. Prints a
table, or one object with `--json`. Every figure is measured in this run. Exit code 1: something failed.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
from collections import defaultdict
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from benchmarks.against import table
from benchmarks.against.measures import MEASUREMENTS
from benchmarks.against.processes import Failed
from benchmarks.against.revisions import Incomparable, Revision, both
from benchmarks.against.setting import QUICK, Amounts, Setting
from rich.console import Console
from tools.private_nodes import NodeFailed, NodeMissing

INTERRUPTED = 130


def main() -> int:
    """Measure and show. Returns the exit code."""
    given = _arguments()
    # A supervisor's SIGTERM ends the worker and removes the worktree, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    amounts = QUICK if given.quick else Amounts()
    if given.rounds:
        amounts = replace(amounts, rounds=given.rounds)
    try:
        with (
            tempfile.TemporaryDirectory(prefix="veriframe-bench-") as name,
            both(given.revision) as revisions,
            closing(Setting(Path(name), amounts)) as setting,
        ):
            samples = measure(setting, revisions, given.only)
    except KeyboardInterrupt:
        return INTERRUPTED
    except (Incomparable, Failed, NodeFailed, NodeMissing, TimeoutError) as error:
        print(f"bench-against: {error}", file=sys.stderr)
        return 1
    rows = table.compare(samples)
    if given.json:
        print(json.dumps(table.as_object(rows, samples), indent=2))
        return 0
    title = f"{given.revision} (old) and this checkout (new), {amounts.rounds} rounds, {os.cpu_count()} cores"
    Console().print(table.as_table(rows, f"{title}, load {os.getloadavg()[0]:.1f}"))
    return 0


def measure(setting: Setting, revisions: tuple[Revision, Revision], letters: str) -> table.Samples:
    """What each round measured, for the figures with these letters. Revisions alternate within a round."""
    samples: defaultdict[str, defaultdict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    chosen = dict.fromkeys(one for letter in letters for one in MEASUREMENTS[letter])
    for measurement in chosen:
        for turn in range(setting.amounts.rounds):
            # Each comes first in turn, so that neither has the warmer machine.
            for revision in revisions if turn % 2 == 0 else reversed(revisions):
                print(f"{measurement.__name__}, round {turn + 1}, {revision.name}", file=sys.stderr)
                for name, value in measurement(setting, revision).items():
                    if table.FIGURES[name].letter in letters:
                        samples[name][revision.name].append(value)
    return samples


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make bench-against", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("revision", help="the earlier revision, such as a commit or a tag")
    parser.add_argument("--only", type=_letters, default="".join(MEASUREMENTS), help="letters, such as a,c")
    parser.add_argument("--quick", action="store_true", help="small numbers, one round")
    parser.add_argument("--rounds", type=int, help="number of rounds")
    parser.add_argument("--json", action="store_true", help="print one object")
    return parser.parse_args()


def _letters(text: str) -> str:
    letters = text.replace(",", "").replace(" ", "")
    if unknown := set(letters) - set(MEASUREMENTS):
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}")
    return letters


if __name__ == "__main__":
    sys.exit(main())
