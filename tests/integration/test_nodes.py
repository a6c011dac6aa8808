"""The nodes for other tests start, answer and end; the stored contracts match their sources."""

from __future__ import annotations

import shutil
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from tests.nodes import ROOT, Devnet, Kubo, NodeFailed, devnet, kubo
from tools import cairo

pytestmark = pytest.mark.slow
needs_node = pytest.mark.skipif(
    shutil.which("node") is None, reason="the Cairo compiler needs Node 20 or later: install nodejs"
)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return int(answer.status) == 200
    except urllib.error.URLError:
        return False


def _balance(node: Devnet, address: int) -> int:
    """An address's STRK, in fri."""
    balance = node.ask("devnet_getAccountBalance", address=hex(address), unit="FRI")
    return int(balance["amount"])


def test_devnet_starts_answers_and_ends() -> None:
    """Its interface has the version that the adapter supports."""
    with devnet() as node:
        assert node.ask("starknet_specVersion") == "0.10.2"
        assert len(node.accounts) == 6
        assert _answers(f"{node.url}/is_alive")
    assert not _answers(f"{node.url}/is_alive")


def test_a_devnet_s_clock_moves_only_on_request(fresh_devnet: Devnet) -> None:
    """By a number of seconds, or to a time; each creates a block."""
    start = fresh_devnet.now()
    fresh_devnet.increase_time(1000)
    later = fresh_devnet.now()
    assert 1000 <= later - start <= 1030
    fresh_devnet.set_time(later + 5000)
    assert fresh_devnet.now() == later + 5000


def test_devnet_mints(fresh_devnet: Devnet) -> None:
    """Money for an account without any."""
    fresh_devnet.mint(0x1234, 10**18)
    assert _balance(fresh_devnet, 0x1234) == 10**18


def test_a_reorganisation_reverts_minting() -> None:
    """Only with the full archive."""
    with devnet(full_archive=True) as node:
        node.mint(0x1234, 5)
        second = node.ask("starknet_blockHashAndNumber")["block_hash"]
        node.mint(0x1234, 7)
        assert _balance(node, 0x1234) == 12
        assert len(node.abort_blocks(second)) == 2
        assert _balance(node, 0x1234) == 0


def test_on_demand_blocks_are_created_only_on_request() -> None:
    """Earlier transactions are pending."""
    with devnet(on_demand=True) as node:
        before = node.ask("starknet_blockNumber")
        node.mint(0x1234, 5)
        assert node.ask("starknet_blockNumber") == before
        node.create_block()
        assert node.ask("starknet_blockNumber") == before + 1


def test_kubo_keeps_its_files_and_ports_when_killed(fresh_kubo: Kubo) -> None:
    """Its gateway serves them."""
    cid, url = fresh_kubo.add(b"a picture"), fresh_kubo.api_url
    fresh_kubo.restart()
    assert fresh_kubo.api_url == url
    assert fresh_kubo.run("cat", cid) == b"a picture"
    assert _answers(f"{fresh_kubo.gateway_url}/ipfs/{cid}")
    fresh_kubo.stop()
    assert not _answers(f"{fresh_kubo.gateway_url}/ipfs/{cid}")


def test_two_kubos_exchange_a_block() -> None:
    """After they are connected; before, neither finds the other's content."""
    with kubo(offline=False) as one, kubo(offline=False) as two:
        cid = one.add(b"from afar" * 1000)
        with pytest.raises(NodeFailed, match=r"deadline|timed? ?out"):
            two.run("cat", "--timeout=1s", cid)
        two.swarm_connect(one)
        assert two.run("cat", "--timeout=20s", cid) == b"from afar" * 1000


def test_every_stored_class_was_built_from_its_source() -> None:
    """Fails if a source changed without its artefacts: run `make contracts`."""
    sources = [(source, kept) for folder, kept in cairo.ALL for source in folder.glob("*.cairo")]
    assert len(sources) >= 3
    assert [source.name for source, kept in sources if not cairo.is_current(source, kept)] == []


@needs_node
@pytest.mark.parametrize("source", ["tests/contracts/deadline_registry", "contracts/src/job_registry"])
def test_a_rebuild_gives_the_same_class(tmp_path: Path, source: str) -> None:
    """Byte for byte, so anyone can verify that a deployed class has the published source."""
    path = ROOT / f"{source}.cairo"
    kept = next(kept for folder, kept in cairo.ALL if folder == path.parent)
    cairo.build(path, tmp_path)
    for name in (f"{path.stem}.hashes.json", f"{path.stem}.sierra.json.gz"):
        assert (tmp_path / name).read_bytes() == (kept / name).read_bytes()


@needs_node
def test_a_compile_error_says_where(tmp_path: Path) -> None:
    """The line, and what is wrong with it."""
    (tmp_path / "wrong.cairo").write_text("fn wrong() -> felt252 {\n    nothing_of_this_name\n}\n")
    with pytest.raises(cairo.BuildFailed, match=r"lib\.cairo:2:5"):
        cairo.build(tmp_path / "wrong.cairo", tmp_path)
