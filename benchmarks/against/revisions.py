"""Two revisions of VeriFrame in one virtual environment: this checkout, and an earlier one beside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DRIVEN = Path(__file__).with_name("driven.py")
REQUIREMENTS = "requirements.txt"
KEPT = ("PATH", "HOME", "LANG")
"""What commands get of our own environment."""


class Incomparable(Exception):
    """The other revision cannot run beside this one; the message says why."""


@dataclass(frozen=True)
class Revision:
    """A tree of sources, and the environment in which its commands run. `name` is `old` or `new`."""

    name: str
    source: Path

    def command(self, *commands: Sequence[str | Path], **options: object) -> list[str]:
        """The command line that runs these commands of the revision, with the options of `driven.py`."""
        given = {**options, "commands": [[str(word) for word in command] for command in commands]}
        return [sys.executable, "-P", str(DRIVEN), json.dumps(given)]

    @property
    def unchecked(self) -> Sequence[str]:
        """The option of `job create` that leaves out the check in the sandbox, if this tree has one."""
        has_check = (self.source / "veriframe" / "cli" / "job" / "checking.py").exists()
        return ("--no-check",) if has_check else ()

    def environment(self, home: Path, variables: Mapping[str, str]) -> dict[str, str]:
        """The environment of its commands, without the settings of the calling shell."""
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        own = {"PYTHONPATH": str(self.source), "VERIFRAME_HOME": str(home), "VERIFRAME_LOG_FORMAT": "json"}
        return {**kept, **own, **variables}

    def require_itself(self) -> None:
        """Compile it, and raise `Incomparable` unless its commands import this tree and no other."""
        subprocess.run([sys.executable, "-m", "compileall", "-q", self.source], check=False)
        asked = subprocess.run(
            [sys.executable, "-P", "-c", "import veriframe.cli; print(veriframe.__file__)"],
            env=self.environment(self.source, {}),
            cwd=self.source,
            capture_output=True,
            text=True,
            check=False,
        )
        if asked.returncode:
            raise Incomparable(f"The {self.name} revision cannot be imported: {asked.stderr.strip()[-500:]}")
        found = Path(asked.stdout.strip())
        if not found.is_relative_to(self.source):
            raise Incomparable(f"Python imports {found} in place of the {self.name} revision, {self.source}.")


@contextmanager
def both(revision: str) -> Iterator[tuple[Revision, Revision]]:
    """The earlier revision, in a temporary worktree, and this checkout with all its changes.

    Raises `Incomparable`: no such revision, or one with other requirements.
    """
    commit = _git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}").strip()
    if not commit:
        raise Incomparable(f"There is no revision {revision}.")
    if _git("show", f"{commit}:{REQUIREMENTS}") != (ROOT / REQUIREMENTS).read_text(encoding="utf-8"):
        raise Incomparable(f"{revision} has other requirements, and cannot run in this virtual environment.")
    with tempfile.TemporaryDirectory(prefix="veriframe-old-") as name:
        # A sandboxed program of another user has to read the scripts.
        Path(name).chmod(0o755)
        tree = Path(name).resolve() / "tree"
        _git("worktree", "add", "--quiet", "--detach", str(tree), commit)
        try:
            pair = Revision("old", tree / "src"), Revision("new", ROOT / "src")
            for each in pair:
                each.require_itself()
            yield pair
        finally:
            _git("worktree", "remove", "--force", str(tree))


def _git(*arguments: str) -> str:
    ran = subprocess.run(["git", "-C", ROOT, *arguments], stdout=subprocess.PIPE, text=True, check=False)
    return ran.stdout
