"""What every content store does, whatever it is made of."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.fakes.store import FakeStore
from tests.nodes import Kubo, kubo

from veriframe.adapters.kubo.replica import Spread, SpreadStore, second_node
from veriframe.adapters.kubo.store import KuboStore
from veriframe.adapters.local_store import LocalStore
from veriframe.errors import Code, JobRejected, SettingsError, StoreUnavailable
from veriframe.model.cid import canonical, parse_cid
from veriframe.ports import ContentStore, Pin

ABSENT = "bafkreigl4xh567bbdcu4hv4o6hlij45pucesae2srbsetidkmui4733uu4"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubo]:
    """One Kubo for all tests here."""
    with kubo(tmp_path_factory.mktemp("kubo")) as started:
        yield started


@pytest.fixture(scope="module")
def replica(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubo]:
    """Another one, which keeps copies."""
    with kubo(tmp_path_factory.mktemp("replica")) as started:
        yield started


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("kubo", "kubo and a replica")]


@pytest_asyncio.fixture(params=["fake", "local", *SLOW])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ContentStore]:
    """A store of each kind, without pins."""
    if request.param == "fake":
        yield FakeStore()
    elif request.param == "local":
        yield LocalStore(tmp_path / "store", 2**24)
    else:
        async with KuboStore(request.getfixturevalue("node").api_multiaddr) as opened:
            for pin in await opened.pins():
                await opened.unpin(pin)
            if request.param == "kubo":
                yield opened
                return
            second = second_node(request.getfixturevalue("replica").api_multiaddr, None)
            store = SpreadStore(opened, [second], [], Spread(required=True))
            yield store
            await store.close()


def write(path: Path, content: bytes) -> Path:
    """A file with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


async def add(store: ContentStore, folder: Path, content: bytes, pin_name: str = "job-1-asset") -> str:
    """Keep bytes; returns their CID."""
    return await store.add(write(folder / "source", content), pin_name)


async def refusal(store: ContentStore, cid: str, target: Path, limit_bytes: int = 2**20) -> Code:
    """Why a fetch is refused. Whatever the reason, nothing is left where the file would be."""
    with pytest.raises(JobRejected) as caught:
        await store.fetch(cid, target, limit_bytes)
    assert list(target.parent.iterdir()) == []
    return caught.value.code


@pytest.mark.parametrize("size_bytes", [0, 1, 300_000])
async def test_a_file_comes_back_as_it_was(store: ContentStore, tmp_path: Path, size_bytes: int) -> None:
    """What was added is fetched under the CID that `add` gave, byte for byte."""
    content = hashlib.shake_256(b"frame").digest(size_bytes)
    cid = await add(store, tmp_path, content)
    target = tmp_path / "fetched"
    assert await store.fetch(cid, target, 2**20) == size_bytes
    assert target.read_bytes() == content


async def test_the_same_content_has_the_same_cid(store: ContentStore, tmp_path: Path) -> None:
    """fault_54: adding again is harmless, the CID is canonical, and other content has another."""
    first = await add(store, tmp_path, b"one")
    assert await add(store, tmp_path, b"one") == first
    assert await add(store, tmp_path, b"two") != first
    assert canonical(first) == first


async def test_other_spellings_of_a_cid_name_the_same_content(store: ContentStore, tmp_path: Path) -> None:
    """fault_2: a CID in upper-case base32 or in base16 is fetched as the canonical one is."""
    cid = await add(store, tmp_path, b"one")
    parsed = parse_cid(cid)
    base16 = f"f01{parsed.codec:02x}1220{parsed.digest.hex()}"
    for number, spelling in enumerate((cid.upper(), base16)):
        assert await store.fetch(spelling, tmp_path / str(number), 3) == 3


@pytest.mark.parametrize(
    "text", ["", "../../etc/passwd", "https://example.com/scene.blend", f"{ABSENT}\n", "a\0b"]
)
async def test_text_that_is_no_cid_is_refused(store: ContentStore, tmp_path: Path, text: str) -> None:
    """fault_1: what is no CID never becomes a path; it is the creator's fault."""
    (tmp_path / "out").mkdir()
    assert await refusal(store, text, tmp_path / "out" / "fetched") == Code.BAD_CID


async def test_content_that_nobody_has_is_refused(store: ContentStore, tmp_path: Path) -> None:
    """fault_6: content that is not there is NOT_FOUND."""
    (tmp_path / "out").mkdir()
    assert await refusal(store, ABSENT, tmp_path / "out" / "fetched") == Code.NOT_FOUND


async def test_a_folder_is_not_fetched_as_a_file(store: ContentStore, tmp_path: Path) -> None:
    """fault_4: a folder is kept under a CID, and refused where one file is asked for."""
    write(tmp_path / "bundle" / "frames" / "frame_0001.png", b"picture")
    cid = await store.add(tmp_path / "bundle", "job-1-result")
    (tmp_path / "out").mkdir()
    assert await refusal(store, cid, tmp_path / "out" / "fetched") == Code.NOT_A_FILE


async def test_a_file_over_the_limit_is_refused(store: ContentStore, tmp_path: Path) -> None:
    """fault_51: a file of exactly the limit is fetched; one byte more is TOO_LARGE."""
    cid = await add(store, tmp_path, b"12345")
    (tmp_path / "out").mkdir()
    assert await refusal(store, cid, tmp_path / "out" / "fetched", 4) == Code.TOO_LARGE
    assert await store.fetch(cid, tmp_path / "out" / "fetched", 5) == 5


async def test_a_fetch_replaces_what_was_there(store: ContentStore, tmp_path: Path) -> None:
    """fault_73: what an earlier try left at the target is replaced, not added to."""
    cid = await add(store, tmp_path, b"new")
    target = write(tmp_path / "fetched", b"older and longer")
    await store.fetch(cid, target, 100)
    assert target.read_bytes() == b"new"


async def test_what_is_not_there_is_not_added(store: ContentStore, tmp_path: Path) -> None:
    """fault_78: a missing source and an empty folder are the caller's to put right."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(SettingsError, match="missing"):
        await store.add(tmp_path / "missing", "job-1-asset")
    with pytest.raises(SettingsError, match="empty"):
        await store.add(tmp_path / "empty", "job-1-asset")
    assert list(await store.pins()) == []


async def test_content_has_a_pin_for_each_name(store: ContentStore, tmp_path: Path) -> None:
    """fault_56: adding pins, names are kept apart, the same name twice is once."""
    cid = await add(store, tmp_path, b"one", "job-1-asset")
    await add(store, tmp_path, b"one", "job-2-asset")
    for _ in range(2):
        await store.pin(Pin(cid=cid, name="../odd name/ü"))
    names = sorted(pin.name for pin in await store.pins() if pin.cid == cid)
    assert names == ["../odd name/ü", "job-1-asset", "job-2-asset"]


async def test_a_pin_is_released_by_its_name(store: ContentStore, tmp_path: Path) -> None:
    """fault_56: releasing one name leaves the others; releasing it again, or an unknown one, is no error."""
    cid = await add(store, tmp_path, b"one", "job-1-asset")
    await store.pin(Pin(cid=cid, name="job-2-asset"))
    for pin in (Pin(cid=cid, name="job-1-asset"), Pin(cid=ABSENT, name="x"), Pin(cid="no cid", name="x")):
        for _ in range(2):
            await store.unpin(pin)
    assert list(await store.pins()) == [Pin(cid=cid, name="job-2-asset")]


async def test_what_is_not_there_cannot_be_pinned(store: ContentStore) -> None:
    """fault_56: a pin never promises content that the store does not have."""
    with pytest.raises(StoreUnavailable):
        await store.pin(Pin(cid=ABSENT, name="job-1-asset"))
    assert list(await store.pins()) == []
