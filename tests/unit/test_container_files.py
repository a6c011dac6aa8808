"""Dockerfile and compose.yaml agree with the docs, and the install script works.

No container engine is needed: the files are parsed strictly, and the script runs with fakes of Debian's
programs.
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
"""The allowed keys of a service. `ports`, `privileged`, `devices`, `network_mode` and others are not."""


def _parse(lines: list[str], indent: int = 0) -> Node:
    """Parse the subset of YAML in compose.yaml: mappings and lists of words, two spaces per level."""
    if lines and lines[0].startswith(" " * indent + "- "):
        words = []
        while lines and lines[0].startswith(" " * indent + "- "):
            words.append(lines.pop(0).removeprefix(" " * indent + "- ").strip('"'))
        return words
    mapping: dict[str, Node] = {}
    while lines and (found := re.fullmatch(rf" {{{indent}}}([a-z_-]+):(?: (\S.*))?", lines[0])):
        lines.pop(0)
        assert found[1] not in mapping, f"{found[1]} occurs twice"
        mapping[found[1]] = found[2] if found[2] is not None else _parse(lines, indent + 2)
    return mapping


@pytest.fixture(scope="module")
def services() -> Mapping[str, Mapping[str, Node]]:
    """The services of compose.yaml."""
    lines = [line for line in COMPOSE.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    compose = _parse(lines)
    assert not lines, f"not parsed: {lines}"
    assert isinstance(compose, Mapping)
    assert set(compose) == {"name", "services", "volumes"}
    found = compose["services"]
    assert isinstance(found, Mapping)
    assert all(isinstance(service, Mapping) for service in found.values())
    return found  # type: ignore[return-value]


def _instructions() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile, with continued lines joined."""
    joined = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE))
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in joined.splitlines() if line]


def test_services_have_only_known_keys(services: Mapping[str, Mapping[str, Node]]) -> None:
    """No service publishes a port, is privileged, or mounts a folder of the host."""
    assert set(services) == {"worker", "ipfs-node", "devnet"}
    for service in services.values():
        assert set(service) <= _KEYS
        for volume in service.get("volumes", ()):
            assert re.fullmatch(r"[a-z-]+:/[a-z/]+", volume)


def test_images_are_pinned_to_what_the_tests_use(services: Mapping[str, Mapping[str, Node]]) -> None:
    """Nodes in compose.yaml have the versions of `tools/nodes`; the base image has a full version."""
    nodes = (ROOT / "tools" / "nodes").read_text(encoding="utf-8")
    kubo = re.search(r"^KUBO=(\S+)$", nodes, re.MULTILINE)
    devnet = re.search(r"^DEVNET=(\S+)$", nodes, re.MULTILINE)
    assert kubo is not None
    assert devnet is not None
    assert services["ipfs-node"]["image"] == f"ipfs/kubo:v{kubo[1]}"
    assert services["devnet"]["image"] == f"shardlabs/starknet-devnet-rs:{devnet[1]}"
    assert services["worker"]["build"] == "."
    # Without garbage collection, fetched content fills the node and leaves no room for results.
    assert "--enable-gc" in services["ipfs-node"]["command"]
    base, *stages = [rest for word, rest in _instructions() if word == "FROM"]
    assert re.fullmatch(r"debian:12\.\d+-slim AS base", base)
    assert stages == ["base AS build", "base"]


def test_security_options_are_those_of_the_remedy(services: Mapping[str, Mapping[str, Node]]) -> None:
    """compose.yaml has exactly the Docker options that the worker and docs/security.md ask for."""
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
    """The classic names lead to existing services, and to the default API."""
    environment = dict(entry.partition("=")[::2] for entry in services["worker"]["environment"])
    assert environment == {
        "IPFS_API": Settings.model_fields["ipfs_api"].default,
        "STARKNET_RPC": "http://devnet:5050",
        "JOB_REGISTRY_ADDRESS": "",
    }
    assert services["worker"]["depends_on"] == ["ipfs-node", "devnet"]
    assert "/dns/ipfs-node/" in environment["IPFS_API"]


def test_image_is_built_by_the_scripts_of_make() -> None:
    """The image is set up by the scripts that `make` uses, and downloads nothing else."""
    runs = [part for word, rest in _instructions() if word == "RUN" for part in rest.split(" && ")]
    allowed = (
        "tools/install-debian --run",
        "tools/setup",
        "tools/slim",
        "rm -rf /",
        "useradd ",
        "install -d ",
    )
    compiled = ".venv/bin/python -m compileall -q src"
    assert all(part.startswith((*allowed, compiled)) for part in runs)
    assert {"tools/install-debian --run", "tools/setup", "tools/slim"} <= set(runs)
    assert "tools/install-debian" in (ROOT / "tools" / "setup").read_text(encoding="utf-8")
    known = {"FROM", "WORKDIR", "COPY", "RUN", "USER", "ENV", "VOLUME", "ENTRYPOINT", "CMD"}
    assert known == {word for word, _ in _instructions()}


def test_image_runs_without_root() -> None:
    """After `USER` nothing runs and nothing returns to root; the home folder is the volume."""
    words = [word for word, _ in _instructions()]
    after = _instructions()[words.index("USER") :]
    assert [pair for pair in after if pair[0] == "USER"] == [("USER", "10001")]
    assert "RUN" not in words[words.index("USER") :]
    assert ("ENV", "VERIFRAME_HOME=/var/lib/veriframe") in after
    assert ("VOLUME", "/var/lib/veriframe") in after
    assert "-o veriframe" in DOCKERFILE
    assert "worker-home:/var/lib/veriframe" in COMPOSE


def test_copied_files_exist_and_nothing_else_is_sent() -> None:
    """Every source of `COPY` exists and passes `.dockerignore`, which excludes everything else."""
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert [rule for rule in rules if rule and not rule.startswith(("#", "!"))] == ["*", "**/__pycache__"]
    included = {rule[1:] for rule in rules if rule.startswith("!")}
    copied = [rest for word, rest in _instructions() if word == "COPY"]
    assert [rest for rest in copied if rest.startswith("--from")] == [
        "--from=build /opt/veriframe /opt/veriframe"
    ]
    for rest in (rest for rest in copied if not rest.startswith("--from")):
        for source in rest.split()[:-1]:
            assert (ROOT / source).exists()
            assert Path(source).parts[0] in included


class Debian:
    """Fakes of Debian's programs: the installed packages, the user, and what the script installs."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.done = folder, folder / "done"
        for program in ("sh", "grep"):
            (folder / program).symlink_to(f"/usr/bin/{program}")
        self._program("apt-get", f'echo "$*" >> {self.done}')
        self.user(0)
        self.holds("")

    def user(self, number: int) -> None:
        """Set the user who runs the script."""
        self._program("id", f"echo {number}")

    def holds(self, pattern: str) -> None:
        """Mark packages as installed whose names match a shell pattern."""
        self._program(
            "dpkg-query",
            f'for name; do :; done; case "$name" in {pattern or "-"}) echo "install ok installed";; esac',
        )

    def python(self, *, ensurepip: bool = True) -> Path:
        """A fake Python 3.11, with or without the module for virtual environments."""
        refused = "" if ensurepip else 'case "$2" in *ensurepip*) exit 1;; esac'
        return self._program("python-stand-in", refused or ":")

    def run(self, *arguments: str, python: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run the script with these programs only."""
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
    """A Debian without installed packages; the user is root."""
    return Debian(tmp_path)


def test_dry_run_lists_and_changes_nothing(debian: Debian) -> None:
    """Prints all missing packages, one per line, and installs nothing."""
    done = debian.run("--dry-run")
    assert done.returncode == 0
    assert {"bubblewrap", "libseccomp2", "libgl1"} <= set(done.stdout.split())
    assert len(done.stdout.split()) == len(done.stdout.splitlines()) == 10
    assert not debian.done.exists()


def test_only_missing_packages_are_installed(debian: Debian) -> None:
    """Installed packages are skipped; the package for virtual environments is included."""
    debian.holds("lib*")
    done = debian.run(python=debian.python(ensurepip=False))
    assert (done.returncode, done.stdout) == (0, "")
    assert (
        debian.done.read_text()
        == "update -qq\ninstall -y -qq --no-install-recommends bubblewrap python3.11-venv\n"
    )


def test_an_image_that_only_runs_needs_no_installer(debian: Debian) -> None:
    """`--run` installs the same packages, without the one that sets up environments."""
    debian.holds("lib*")
    done = debian.run("--run", python=debian.python(ensurepip=False))
    assert done.returncode == 0
    assert debian.done.read_text() == "update -qq\ninstall -y -qq --no-install-recommends bubblewrap\n"


def test_nothing_is_done_if_nothing_is_missing(debian: Debian) -> None:
    """The script prints nothing then."""
    debian.holds("*")
    done = debian.run()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not debian.done.exists()


def test_without_root_the_command_is_printed(debian: Debian) -> None:
    """A user who may not install packages gets the exact command."""
    debian.user(1000)
    debian.holds("lib*")
    done = debian.run()
    assert done.returncode == 1
    assert "sudo apt-get update && sudo apt-get install -y bubblewrap\n" in done.stderr
    assert not debian.done.exists()


def test_on_other_systems_the_packages_are_listed(debian: Debian) -> None:
    """The script lists what is needed, and fails."""
    (debian.folder / "apt-get").unlink()
    debian.holds("lib*")
    done = debian.run()
    assert (
        done.returncode,
        done.stderr,
    ) == (1, "Not Debian: please install what corresponds to: bubblewrap\n")


def test_python_is_found(debian: Debian) -> None:
    """The chosen interpreter, if it is a Python 3.11; an unknown argument is refused."""
    assert str(debian.python()) == debian.run("--python").stdout.strip()
    assert debian.run("--all").returncode == 2
