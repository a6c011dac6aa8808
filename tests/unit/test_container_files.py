"""Dockerfile and compose.yaml say what the pages say; the install script does what it says.

No engine is needed: the files are read strictly, and the script runs among stand-ins for Debian's programs.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from veriframe.adapters.blender.sandbox.run import Level
from veriframe.adapters.blender.sandbox.selection import Host, remedy
from veriframe.settings import Settings

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = (ROOT / "compose.yaml").read_text(encoding="utf-8")
INSTALL = ROOT / "tools" / "install-debian"

Node = Mapping[str, "Node"] | Sequence[str] | str

_KEYS = {
    *("build", "image", "init", "restart", "stop_grace_period", "environment", "volumes", "cap_drop"),
    *("security_opt", "depends_on", "command"),
}
"""What a service may say. `ports`, `privileged`, `devices`, `network_mode` and the like are not among it."""


def _parse(lines: list[str], indent: int = 0) -> Node:
    """The part of YAML that compose.yaml keeps to: mappings and lists of words, two spaces a level."""
    if lines and lines[0].startswith(" " * indent + "- "):
        words = []
        while lines and lines[0].startswith(" " * indent + "- "):
            words.append(lines.pop(0).removeprefix(" " * indent + "- ").strip('"'))
        return words
    mapping: dict[str, Node] = {}
    while lines and (found := re.fullmatch(rf" {{{indent}}}([a-z_-]+):(?: (\S.*))?", lines[0])):
        lines.pop(0)
        assert found[1] not in mapping, f"{found[1]} is there twice"
        mapping[found[1]] = found[2] if found[2] is not None else _parse(lines, indent + 2)
    return mapping


@pytest.fixture(scope="module")
def services() -> Mapping[str, Mapping[str, Node]]:
    """The services of compose.yaml."""
    lines = [line for line in COMPOSE.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    compose = _parse(lines)
    assert not lines, f"not read: {lines}"
    assert isinstance(compose, Mapping)
    assert set(compose) == {"name", "services", "volumes"}
    found = compose["services"]
    assert isinstance(found, Mapping)
    assert all(isinstance(service, Mapping) for service in found.values())
    return found  # type: ignore[return-value]


def _instructions() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile, with lines that go on joined."""
    joined = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE))
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in joined.splitlines() if line]


def test_services_say_only_what_is_known(services: Mapping[str, Mapping[str, Node]]) -> None:
    """No service publishes a port, is privileged, or is shown the host."""
    assert set(services) == {"worker", "ipfs-node", "devnet"}
    for service in services.values():
        assert set(service) <= _KEYS
        for volume in service.get("volumes", ()):
            assert re.fullmatch(r"[a-z-]+:/[a-z/]+", volume)


def test_images_are_pinned_to_what_the_tests_use(services: Mapping[str, Mapping[str, Node]]) -> None:
    """The nodes in compose.yaml have the versions of `tools/nodes`; the base image has a full version."""
    nodes = (ROOT / "tools" / "nodes").read_text(encoding="utf-8")
    kubo = re.search(r"^KUBO=(\S+)$", nodes, re.MULTILINE)
    devnet = re.search(r"^DEVNET=(\S+)$", nodes, re.MULTILINE)
    assert kubo is not None
    assert devnet is not None
    assert services["ipfs-node"]["image"] == f"ipfs/kubo:v{kubo[1]}"
    assert services["devnet"]["image"] == f"shardlabs/starknet-devnet-rs:{devnet[1]}"
    assert services["worker"]["build"] == "."
    # Else what was fetched fills the node, and no result has room.
    assert "--enable-gc" in services["ipfs-node"]["command"]
    (base,) = [rest for word, rest in _instructions() if word == "FROM"]
    assert re.fullmatch(r"debian:12\.\d+-slim", base)


def test_security_options_are_those_of_the_remedy(services: Mapping[str, Mapping[str, Node]]) -> None:
    """What the worker itself and docs/security.md ask of Docker is what compose.yaml gives, and no more."""
    host = Host(
        root=False,
        bubblewrap=True,
        setpriv=True,
        container=True,
        landlock_abi=6,
        user_namespaces=1,
        apparmor_restricts=False,
    )
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8").replace("\n ", "")
    asked = re.findall(r"--security-opt (\w+=\w+)", remedy(host, Level.STRICT))
    assert asked == re.findall(r"--security-opt\s+(\w+=\w+)", page)
    assert services["worker"]["security_opt"] == ["no-new-privileges:true", *asked]
    assert services["worker"]["cap_drop"] == ["ALL"]
    assert len(asked) == 3


def test_worker_finds_the_nodes(services: Mapping[str, Mapping[str, Node]]) -> None:
    """The classic names lead to services that are there, and to the API that is the default."""
    environment = dict(entry.partition("=")[::2] for entry in services["worker"]["environment"])
    assert environment == {
        "IPFS_API": Settings.model_fields["ipfs_api"].default,
        "STARKNET_RPC": "http://devnet:5050",
        "JOB_REGISTRY_ADDRESS": "",
    }
    assert services["worker"]["depends_on"] == ["ipfs-node", "devnet"]
    assert "/dns/ipfs-node/" in environment["IPFS_API"]


def test_image_is_made_by_the_scripts_of_make() -> None:
    """The image is set up by the scripts that `make` uses, and fetches nothing in any other way."""
    runs = [part for word, rest in _instructions() if word == "RUN" for part in rest.split(" && ")]
    allowed = ("tools/install-debian", "tools/setup", "rm -rf /", "useradd ", "install -d ")
    assert all(part.startswith(allowed) for part in runs)
    assert {"tools/install-debian", "tools/setup"} <= set(runs)
    assert "tools/install-debian" in (ROOT / "tools" / "setup").read_text(encoding="utf-8")
    known = {"FROM", "WORKDIR", "COPY", "RUN", "USER", "ENV", "VOLUME", "ENTRYPOINT", "CMD"}
    assert known == {word for word, _ in _instructions()}


def test_image_runs_without_root() -> None:
    """Everything after `USER` only describes; nothing goes back to root; its home is the volume."""
    words = [word for word, _ in _instructions()]
    after = _instructions()[words.index("USER") :]
    assert [pair for pair in after if pair[0] == "USER"] == [("USER", "10001")]
    assert "RUN" not in words[words.index("USER") :]
    assert ("ENV", "VERIFRAME_HOME=/var/lib/veriframe") in after
    assert ("VOLUME", "/var/lib/veriframe") in after
    assert "-o veriframe" in DOCKERFILE
    assert "worker-home:/var/lib/veriframe" in COMPOSE


def test_what_is_copied_is_there_and_nothing_else_is_sent() -> None:
    """Every source of `COPY` exists and is let through by `.dockerignore`, which keeps all else out."""
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert [rule for rule in rules if rule and not rule.startswith(("#", "!"))] == ["*", "**/__pycache__"]
    let_through = {rule[1:] for rule in rules if rule.startswith("!")}
    for rest in (rest for word, rest in _instructions() if word == "COPY"):
        for source in rest.split()[:-1]:
            assert (ROOT / source).exists()
            assert Path(source).parts[0] in let_through


class Debian:
    """Stand-ins for Debian's programs: which packages are there, who runs the script, what is installed."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.done = folder, folder / "done"
        for program in ("sh", "grep"):
            (folder / program).symlink_to(f"/usr/bin/{program}")
        self._program("apt-get", f'echo "$*" >> {self.done}')
        self.user(0)
        self.holds("")

    def user(self, number: int) -> None:
        """Who runs the script."""
        self._program("id", f"echo {number}")

    def holds(self, pattern: str) -> None:
        """Packages whose names fit a pattern of the shell's are installed."""
        self._program(
            "dpkg-query",
            f'for name; do :; done; case "$name" in {pattern or "-"}) echo "install ok installed";; esac',
        )

    def python(self, *, ensurepip: bool = True) -> Path:
        """A Python 3.11, with or without what makes virtual environments."""
        refused = "" if ensurepip else 'case "$2" in *ensurepip*) exit 1;; esac'
        return self._program("python-stand-in", refused or ":")

    def run(self, *arguments: str, python: Path | None = None) -> subprocess.CompletedProcess[str]:
        """The script, with these programs only."""
        environment = {"PATH": str(self.folder), "PYTHON": str(python or self.python())}
        return subprocess.run(
            [INSTALL, *arguments], env=environment, capture_output=True, text=True, check=False, timeout=20
        )

    def _program(self, name: str, body: str) -> Path:
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return path


@pytest.fixture
def debian(tmp_path: Path) -> Debian:
    """A Debian on which nothing is installed, with root at work."""
    return Debian(tmp_path)


def test_dry_run_lists_and_changes_nothing(debian: Debian) -> None:
    """All that is missing, one a line; nothing is installed."""
    done = debian.run("--dry-run")
    assert done.returncode == 0
    assert {"bubblewrap", "libseccomp2", "libgl1"} <= set(done.stdout.split())
    assert len(done.stdout.split()) == len(done.stdout.splitlines()) == 10
    assert not debian.done.exists()


def test_only_what_is_missing_is_installed(debian: Debian) -> None:
    """Packages that are there are left alone; virtual environments count as well."""
    debian.holds("lib*")
    done = debian.run(python=debian.python(ensurepip=False))
    assert (done.returncode, done.stdout) == (0, "")
    assert debian.done.read_text() == "update -qq\ninstall -y -qq bubblewrap python3.11-venv\n"


def test_nothing_missing_nothing_done(debian: Debian) -> None:
    """Where all is there, the script is quiet."""
    debian.holds("*")
    done = debian.run()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not debian.done.exists()


def test_without_root_the_command_is_said(debian: Debian) -> None:
    """Someone who may not install is told the exact command."""
    debian.user(1000)
    debian.holds("lib*")
    done = debian.run()
    assert done.returncode == 1
    assert "sudo apt-get update && sudo apt-get install -y bubblewrap\n" in done.stderr
    assert not debian.done.exists()


def test_elsewhere_the_packages_are_named(debian: Debian) -> None:
    """On another system the script says what is needed, and fails."""
    (debian.folder / "apt-get").unlink()
    debian.holds("lib*")
    done = debian.run()
    assert (
        done.returncode,
        done.stderr,
    ) == (1, "Not Debian: please install what corresponds to: bubblewrap\n")


def test_python_is_found(debian: Debian) -> None:
    """The interpreter that is asked for, where it is a Python 3.11; an unknown argument is refused."""
    assert str(debian.python()) == debian.run("--python").stdout.strip()
    assert debian.run("--all").returncode == 2
