"""The hash of a block as nodes show it: two of them must agree, and only accepted blocks count."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pytest
import structlog

from veriframe.adapters.starknet.contract.contract import Question
from veriframe.adapters.starknet.rpc.endpoints import EndpointAnswer
from veriframe.adapters.starknet.rpc.envelope import RpcError
from veriframe.adapters.starknet.trust.block_hashes import BlockHashes
from veriframe.errors import RegistryUnavailable

NUMBER = 7
ABSENT = RpcError(24, "Block not found")


def block(digest: int, **changes: object) -> dict[str, object]:
    """An accepted block as a node shows it."""
    told = {"block_number": NUMBER, "block_hash": f"{digest:#066x}", "status": "ACCEPTED_ON_L2"}
    return {**told, **changes}


class Nodes:
    """Endpoints, each with its answer about every block. None: it does not answer."""

    def __init__(self, *answers: object) -> None:
        self.answers = {f"{number}. node": answer for number, answer in enumerate(answers, 1)}
        self.distrusted: list[str] = []
        self.asked: list[Question] = []

    @property
    def names(self) -> Sequence[str]:
        """Their names."""
        return list(self.answers)

    def distrust(self, name: str) -> None:
        """Notes it."""
        self.distrusted.append(name)

    async def ask(self, calls: Sequence[Question], *, but: Collection[str] = ()) -> EndpointAnswer:
        """The first that may be asked."""
        self.asked += calls
        for name, answer in self.answers.items():
            if name not in but and answer is not None:
                return EndpointAnswer(name, [answer])
        raise RegistryUnavailable("No StarkNet node answers.")

    async def batch(self, calls: Sequence[Question]) -> Sequence[Any]:
        """As any node."""
        return (await self.ask(calls)).results

    async def call(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """Not used."""
        raise AssertionError(method)


async def read(*answers: object) -> int | None:
    """The hash that such nodes yield."""
    nodes = Nodes(*answers)
    found = await BlockHashes(nodes, nodes).read(NUMBER)
    assert set(map(repr, nodes.asked)) == {
        repr(("starknet_getBlockWithTxHashes", {"block_id": {"block_number": NUMBER}}))
    }
    return found


async def test_one_node_is_trusted_and_two_must_agree() -> None:
    """Leading zeros and the later status ACCEPTED_ON_L1 are no difference."""
    assert await read(block(5)) == 5
    assert await read(block(5), block(5, block_hash="0x5", status="ACCEPTED_ON_L1")) == 5
    nodes = Nodes(block(5))
    assert await BlockHashes(nodes).read(NUMBER) == 5


@pytest.mark.parametrize(
    "answer", [ABSENT, block(5, status="PRE_CONFIRMED"), {"status": "PRE_CONFIRMED", "block_number": NUMBER}]
)
async def test_a_block_is_awaited_until_two_nodes_have_accepted_it(answer: object) -> None:
    """A pre-confirmed block can still change: it has no hash yet."""
    assert await read(answer) is None
    assert await read(block(5), answer) is None
    assert await read(answer, block(5)) is None


async def test_two_hashes_of_a_block_are_an_error() -> None:
    """fault_251: with two nodes nobody knows which lies; nothing is drawn from either."""
    with pytest.raises(RegistryUnavailable, match=r"1\. node and 2\. node show different hashes of block 7"):
        await read(block(5), block(6))
    with pytest.raises(RegistryUnavailable, match=r"different hashes"):
        await read(block(5), block(6), block(8))


async def test_a_third_node_says_which_one_is_wrong() -> None:
    """It is not asked for an hour, and that is logged."""
    for answers, odd in (((5, 6, 6), "1. node"), ((5, 6, 5), "2. node")):
        nodes = Nodes(*map(block, answers))
        with structlog.testing.capture_logs() as lines, pytest.raises(RegistryUnavailable, match=odd):
            await BlockHashes(nodes, nodes).read(NUMBER)
        assert nodes.distrusted == [odd]
        assert [(line["event"], line["distrusted"]) for line in lines] == [("nodes_differ", odd)]


async def test_a_second_node_is_required_where_there_are_several() -> None:
    """So a lying node is not believed because the other is away."""
    with pytest.raises(RegistryUnavailable, match=r"needs two nodes, but only 1\. node answers"):
        await read(block(5), None)


@pytest.mark.parametrize(
    "answer",
    [
        42,
        [],
        "0x5",
        block(5, block_number=8),
        block(5, block_hash="5 apples"),
        block(5, block_hash=5),
        block(0),
        block(2**252),
        {"status": "ACCEPTED_ON_L2"},
        RpcError(-32603, "Internal error"),
    ],
)
async def test_garbage_is_no_hash(answer: object) -> None:
    """fault_252: another block, no felt, no block at all, another error."""
    with pytest.raises(RegistryUnavailable, match=r"block 7"):
        await read(answer)
