"""A whole job on real IPFS nodes, the creator at one, the worker at another, with a real render."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from tests.e2e.conftest import Home
from tests.nodes import kubo

pytestmark = pytest.mark.slow


def test_creator_and_worker_at_two_nodes(home: Home, light_scene: Path, tmp_path: Path) -> None:
    """The scene and the picture go from node to node; both sides have the same CIDs."""
    with kubo(tmp_path / "one", offline=False) as one, kubo(tmp_path / "two", offline=False) as two:
        one.swarm_connect(two)
        creator, worker = {"IPFS_API": one.api_multiaddr}, {"IPFS_API": two.api_multiaddr}
        created = home.run(
            "job", "create", light_scene, "--reward", "2", "--yes", "--json", environment=creator
        )
        assert created.returncode == 0, created.stderr
        served = home.run("worker", "--once", environment=worker)
        assert served.returncode == 0, served.stderr
        fetched = home.run("job", "fetch", "1", "-o", "picture.png", "--json", environment=creator)
        assert fetched.returncode == 0, fetched.stderr
        shown = json.loads(home.run("job", "show", "1", "--json", environment=creator).stdout)
        assert shown["state"] == "SUBMITTED"
        assert shown["asset_cid"] == json.loads(created.stdout)["asset_cid"]
        with Image.open(home.folder / "picture.png") as picture:
            assert (picture.format, picture.size) == ("PNG", (96, 54))
        result = shown["result_cid"]
        assert result in two.run("pin", "ls", "--names", "--type=recursive").decode()
        # After the pay the worker no longer owes the picture.
        assert home.run("job", "accept", "1", environment=creator).returncode == 0
        assert home.run("worker", "--once", environment=worker).returncode == 0
        assert result not in two.run("pin", "ls", "--names", "--type=recursive").decode()


def test_an_unavailable_node_is_reported(home: Home, light_scene: Path) -> None:
    """One line with the address and the remedy, exit code 3, nothing posted, no money moved."""
    away = {"IPFS_API": "/ip4/127.0.0.1/tcp/9/http"}
    ran = home.run("job", "create", light_scene, "--reward", "2", "--yes", environment=away)
    assert ran.returncode == 3
    assert "http://127.0.0.1:9" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert json.loads(home.run("job", "list", "--json").stdout)["jobs"] == []


@pytest.mark.parametrize("address", ["ipfs-node", "/dns/ipfs-node", "ftp://node:5001", "/ip4/1.2.3/tcp/1"])
def test_an_invalid_address_is_refused(home: Home, address: str) -> None:
    """fault_78: one line with the right form, exit code 2."""
    ran = home.run("worker", "--once", environment={"IPFS_API": address})
    assert ran.returncode == 2
    assert "IPFS" in ran.stderr
    assert "Traceback" not in ran.stderr
