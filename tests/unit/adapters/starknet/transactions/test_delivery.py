"""One account's transactions: its nonce."""

from __future__ import annotations

from typing import Any, cast

import pytest

from veriframe.adapters.starknet.rpc.endpoints import Endpoints
from veriframe.adapters.starknet.rpc.envelope import RpcError
from veriframe.adapters.starknet.transactions.delivery import Delivery, SendTimeouts
from veriframe.adapters.starknet.transactions.outbox import Outbox
from veriframe.errors import AccountNotDeployed, RegistryUnavailable


class Refusing:
    """A node that answers with an error."""

    def __init__(self, code: int) -> None:
        self.code = code

    async def call(self, *_: Any) -> Any:
        """Refuses."""
        raise RpcError(self.code, "an error")


@pytest.mark.parametrize(("code", "error"), [(20, AccountNotDeployed), (24, RegistryUnavailable)])
async def test_an_account_that_is_not_on_the_chain_is_told_apart(code: int, error: type[Exception]) -> None:
    """fault_171: with the command that deploys it. Other errors of a node may pass."""
    nodes = cast("Endpoints", Refusing(code))
    delivery = Delivery(nodes, cast("Outbox", None), cast("Any", None), SendTimeouts())
    with pytest.raises(RegistryUnavailable) as raised:
        await delivery.nonce(0x1, "latest")
    assert type(raised.value) is error
    assert ("account deploy" in str(raised.value)) == (code == 20)
