"""The wiring of settings: the registry, the store, its replicas, and private token files."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.fakes.registry import FakeRegistry
from tests.fakes.store import FakeStore

from veriframe.adapters.kubo.replicas.replicated_store import ReplicatedStore
from veriframe.adapters.kubo.store import KuboStore
from veriframe.adapters.starknet import connection
from veriframe.adapters.starknet.account.keystore import Key
from veriframe.errors import SettingsError
from veriframe.model.registry.job import NOBODY, Address
from veriframe.ports.store import ContentStore
from veriframe.settings import load
from veriframe.wiring import chain, limits, stores

NODE = {"ipfs_api": "/ip4/127.0.0.1/tcp/9/http"}


def opened(flags: dict[str, str]) -> ContentStore:
    """Open the store of these settings."""
    return stores.open_store(load(NODE | flags, {}).settings)


def token_file(folder: Path, content: bytes = b"opensesame\n", mode: int = 0o600) -> str:
    """A file with a token."""
    path = folder / "token"
    path.write_bytes(content)
    path.chmod(mode)
    return str(path)


@pytest.mark.parametrize(
    ("flags", "seconds"),
    [
        ({}, 600),
        ({"devnet_account": "1"}, 0),
        ({"clock_skew_seconds": "0"}, 0),
        ({"devnet_account": "1", "clock_skew_seconds": "60"}, 60),
    ],
)
def test_only_a_development_chain_s_time_is_unchecked(flags: dict[str, str], seconds: float) -> None:
    """The account shows that it is one; a test network's chain id does not."""
    settings = load({"job_registry_address": "0x1", **flags}, {}).settings
    assert chain.skew_seconds(settings) == seconds


async def test_a_single_node_makes_no_copies() -> None:
    """There are no replicas or gateways."""
    store = opened({})
    assert isinstance(store, KuboStore)
    await store.close()


@pytest.mark.parametrize(
    "flags",
    [
        {"ipfs_replica_api": "http://127.0.0.1:10"},
        {"ipfs_gateways": "https://gateway.example"},
        {"pinning_service": "https://pins.example/psa"},
    ],
)
async def test_replicas_are_asked_and_the_lease_reserves_time_for_them(
    flags: dict[str, str], tmp_path: Path
) -> None:
    """fault_54: any of the three settings is enough; renders end earlier by that time."""
    flags = flags | {"pinning_token_file": token_file(tmp_path), "replica_seconds": "7"}
    store = opened(flags)
    assert isinstance(store, ReplicatedStore)
    await store.close()
    settings = load(NODE | flags, {}).settings
    assert limits.policy(settings, Address(1)).copies_seconds == 7
    assert limits.policy(load(flags, {}).settings, Address(1)).copies_seconds == 0


@pytest.mark.parametrize("name", ["ipfs_token_file", "ipfs_replica_token_file", "pinning_token_file"])
@pytest.mark.parametrize(
    ("content", "mode"), [(b"opensesame\n", 0o640), (b"opensesame\xff", 0o600), (b"a" * 5000, 0o600)]
)
def test_token_files_must_be_private(tmp_path: Path, name: str, content: bytes, mode: int) -> None:
    """fault_78: a file that others may read, or without a token, is refused; the token is not shown."""
    flags = {
        "ipfs_replica_api": "http://127.0.0.1:10",
        "pinning_service": "https://pins.example/psa",
        name: token_file(tmp_path, content, mode),
    }
    with pytest.raises(SettingsError, match=name) as caught:
        opened(flags)
    assert "opensesame" not in str(caught.value)


def test_a_service_without_a_token_is_refused() -> None:
    """fault_78: with the name of the missing setting."""
    with pytest.raises(SettingsError, match="pinning_token_file"):
        opened({"pinning_service": "https://pins.example/psa"})


async def test_a_store_is_added_by_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name in the setting is enough; a name that is not in the table is refused, with those that are."""
    added = FakeStore()
    monkeypatch.setitem(stores.STORES, "memory", lambda _: added)
    assert stores.open_store(load({"store": "memory"}, {}).settings) is added
    assert list(added.checks()) == []
    await added.close()
    monkeypatch.delitem(stores.STORES, "memory")
    with pytest.raises(SettingsError, match="local or kubo"):
        stores.open_store(load({"store": "memory"}, {}).settings)


async def test_a_store_says_what_the_doctor_should_ask(tmp_path: Path) -> None:
    """fault_54: copies and gateways, if there are any; a fault of them is as bad as the setting says."""
    flags = {"ipfs_replica_api": "http://127.0.0.1:10", "ipfs_gateways": "https://gateway.example"}
    for required in (False, True):
        store = opened({**flags, "replica_required": str(required).lower()})
        asked = [(check.name, check.is_required) for check in store.checks()]
        assert asked == [("copies", required), ("gateways", required)]
        await store.close()
    for alone in (opened({}), opened({"store": "local", "home": str(tmp_path)})):
        assert list(alone.checks()) == []
        await alone.close()


async def test_an_unlocked_keystore_tells_whose_jobs_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fault_140: reading itself never unlocks it; before that the reader is nobody."""
    keystore = tmp_path / "key.json"
    keystore.write_text("encrypted")
    named = {"home": str(tmp_path / "home"), "keystore": str(keystore), "job_registry_address": "0x1"}
    settings = load(named, {}).settings
    readers: list[int | None] = []

    async def join(*_: object) -> tuple[object, object]:
        trust = SimpleNamespace(facts=None)
        return SimpleNamespace(account=Address(0xA), trust=trust), None

    async def open_reader(network: connection.Network, _registry: int) -> tuple[object, Address, object]:
        readers.append(network.account)
        return FakeRegistry(0), Address(network.account or 0), None

    monkeypatch.setattr(connection, "join", join)
    monkeypatch.setattr(connection, "open_reader", open_reader)
    assert (await chain.open_reader(settings))[0].account == NOBODY
    await chain.open_registry(settings, Key(1))
    assert (await chain.open_reader(settings))[0].account == 0xA
    assert readers == [None, 0xA]
