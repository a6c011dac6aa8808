"""The image as podman runs it: without its options, with them, on real nodes, and as compose.yaml says.

`make image` builds the images from Debian's packages and the programs of the nodes; no registry of images is
asked. Only compose.yaml makes a network of its own; it and everything else is removed afterwards.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import pytest
from tests.e2e.conftest import ROOT
from tests.e2e.embedded import wait_for
from tests.e2e.foreign_chain import WORKER, open_classic, post_classic
from tests.nodes import Devnet, kubo

# One worker runs them all: the image is built once.
pytestmark = [pytest.mark.thorough, pytest.mark.xdist_group("image")]

PROGRAMS = ("buildah", "debootstrap", "podman", "podman-compose", "runc", "catatonit", "iptables")
IMAGE = "localhost/veriframe:local"
# Few of the machines that tests run on let an engine raise its limits, or have systemd make control groups.
ENGINE = ("podman", "--runtime", "runc", "--cgroup-manager", "cgroupfs")
LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096")
LARGEST_BYTES = 1_600_000_000
NO_PROCESS = subprocess.Popen[bytes](["/bin/true"])
"""Devnet's own process is in a container."""


def said(
    *command: str | Path,
    code: int = 0,
    seconds: float = 600,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """What a command prints on stdout and stderr."""
    done = subprocess.run(
        command,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
        timeout=seconds,
        cwd=ROOT,
    )
    assert done.returncode == code, done.stdout
    return done.stdout


def options() -> tuple[str, ...]:
    """The options of compose.yaml for the sandbox, as an engine takes them."""
    text = (
        (ROOT / "compose.yaml").read_text(encoding="utf-8").split("security_opt:")[1].split("depends_on")[0]
    )
    asked = re.findall(r"- (\S+)", text)
    return ("--init", "--cap-drop", "ALL", *(word for one in asked for word in ("--security-opt", one)))


def run(*arguments: str) -> tuple[str, ...]:
    """The command line that runs the image once, without any container left."""
    return (*ENGINE, "run", "--rm", "--network", "host", *LIMITS, *arguments)


@pytest.fixture(scope="module")
def image() -> str:
    """The image, built now."""
    if missing := [program for program in PROGRAMS if shutil.which(program) is None]:
        pytest.skip(f"Run: apt-get install {' '.join(missing)}")
    said(ROOT / "tools" / "image", seconds=1800)
    return IMAGE


def test_it_holds_what_runs_and_no_more(image: str) -> None:
    """No installer, compiler, cache or test of a library; and it is not root."""
    (about,) = json.loads(said("podman", "image", "inspect", image))
    assert about["Size"] < LARGEST_BYTES
    assert about["Config"]["User"] == "10001"
    packages = "/opt/veriframe/.venv/lib/python3.11/site-packages"
    search = (
        "ls /usr/bin/gcc /usr/bin/cc /usr/bin/pip3 /var/lib/apt/lists/* /root/.cache; "
        f"ls -d {packages}/pip {packages}/setuptools {packages}/Cython {packages}/numpy/tests"
    )
    found = said(*run("--entrypoint", "/bin/sh", image, "-c", f"({search}) 2>/dev/null; true"))
    assert found.split() == []


def test_without_its_options_it_refuses(image: str) -> None:
    """fault_44: with the three options that are missing, as docs/containers.md names them."""
    answer = said(*run(image, "doctor", "--no-engines"), code=1)
    for option in ("seccomp=unconfined", "apparmor=unconfined", "systempaths=unconfined"):
        assert f"--security-opt {option}" in answer


def test_with_its_options_it_is_strict(image: str) -> None:
    """Every attack of the self-test fails, as an ordinary user without capabilities."""
    answer = said(*run(*options(), image, "doctor", "--no-engines", "--json"))
    found = json.loads(answer[answer.index("{") :])
    parts = {part["part"]: part for part in found["parts"]}
    assert parts["sandbox"]["detail"].startswith("STRICT")
    assert parts["Blender"]["detail"].startswith("4.5")


def test_the_classic_loop_with_variables_alone(image: str, light_scene: Path, fresh_devnet: Devnet) -> None:
    """A scene from a real IPFS node is rendered, and its picture is handed in on a real chain."""
    with kubo() as node:
        registry = open_classic(fresh_devnet)
        post_classic(fresh_devnet, registry, node.add(light_scene.read_bytes()))
        variables = {
            "STARKNET_RPC": fresh_devnet.url,
            "JOB_REGISTRY_ADDRESS": hex(registry),
            "IPFS_API": node.api_multiaddr,
            "VERIFRAME_DEVNET_ACCOUNT": str(WORKER),
        }
        given = [word for name, value in variables.items() for word in ("-e", f"{name}={value}")]
        result_cid = submitted(said(*run(*options(), *given, image, "worker", "--once")))
        assert node.run("cat", result_cid).startswith(b"\x89PNG")


def submitted(log: str) -> str:
    """The CID of the result that a worker has handed in."""
    events = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    (stored,) = [event["cid"] for event in events if event["event"] == "store_added"]
    assert any(event.get("stage") in {"SUBMITTED", "PAID"} for event in events), log
    return str(stored)


@dataclass(frozen=True)
class Composed:
    """What compose.yaml starts, under a name of its own."""

    name: str

    def __call__(self, *command: str, registry: str = "") -> str:
        """Run a command of podman-compose."""
        engine, limits = " ".join(ENGINE[1:]), " ".join(LIMITS)
        how = ("--podman-args", engine, "--podman-run-args", limits)
        return said(
            "podman-compose", "-p", self.name, *how, *command, environment={"JOB_REGISTRY_ADDRESS": registry}
        )

    def container(self, service: str) -> str:
        """The name of a service's container."""
        return f"{self.name}_{service}_1"

    def devnet(self) -> Devnet:
        """The chain, by its address in the network that the engine made."""
        form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        address = said("podman", "inspect", "-f", form, self.container("devnet")).strip()
        return Devnet(f"http://{address}:5050", NO_PROCESS)


@pytest.fixture
def composed(image: str) -> Iterator[Composed]:
    """The two nodes of compose.yaml, running; everything is removed afterwards."""
    compose = Composed(f"veriframe-test-{os.getpid()}")
    said(ROOT / "tools" / "image", "nodes")
    said("podman", "tag", image, f"{compose.name}_worker")
    try:
        compose("up", "-d", "--no-build", "ipfs-node", "devnet")
        wait_for(lambda: "Daemon is ready" in said("podman", "logs", compose.container("ipfs-node")), 60)
        wait_for(lambda: "listening" in said("podman", "logs", compose.container("devnet")), 60)
        yield compose
    finally:
        compose("down", "--volumes")
        said("podman", "rmi", f"{compose.name}_worker")


def test_the_compose_file_earns_money(composed: Composed, light_scene: Path) -> None:
    """The worker finds both nodes by their names, and hands in a picture."""
    chain, node = composed.devnet(), composed.container("ipfs-node")
    said("podman", "cp", str(light_scene), f"{node}:/scene.blend")
    added = said("podman", "exec", node, "ipfs", "add", "--quieter", "--cid-version=1", "/scene.blend")
    registry = open_classic(chain)
    post_classic(chain, registry, added.split()[-1])
    log = composed(
        *("run", "--rm", "-T", "-e", f"VERIFRAME_DEVNET_ACCOUNT={WORKER}", "worker", "worker", "--once"),
        registry=hex(registry),
    )
    picture = said("podman", "exec", node, "ipfs", "cat", "--length=4", submitted(log))
    assert picture.endswith("PNG")
