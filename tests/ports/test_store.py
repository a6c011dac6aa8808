"""What every content store does, whatever it is made of."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from tests.fakes.store import FakeStore
from tests.nodes import Kubo, kubo

from veriframe.adapters.kubo.replicas.replica import Spread, SpreadStore, second_node
from veriframe.adapters.kubo.store import KuboStore
from veriframe.adapters.local_store import LocalStore
from veriframe.errors import Code, JobRejected, SettingsError, StoreUnavailable
from veriframe.model.content.cid import canonical, parse_cid
from veriframe.model.content.folder import FolderLimits
from veriframe.ports.store import ContentStore, Pin, Transfer

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
        fake = FakeStore()
        fake.limit_bytes = 2**24
        yield fake
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


async def test_what_is_added_takes_room(store: ContentStore, tmp_path: Path) -> None:
    """fault_87: pinned bytes are room no more; where there is too little, somebody says what to do."""
    before = await store.room()
    size_bytes = 3_000_000
    cid = await add(store, tmp_path, random.Random(tmp_path.name).randbytes(size_bytes))
    after = await store.room()
    assert before.free_bytes is not None
    assert before.held_bytes is not None
    assert after.free_bytes is not None
    assert after.held_bytes is not None
    # A database of the node's own may shrink meanwhile.
    assert 0 <= after.free_bytes <= before.free_bytes - size_bytes + 100_000
    assert after.held_bytes >= before.held_bytes + size_bytes - 100_000
    assert re.search(r"[Rr]aise", after.remedy)
    if not isinstance(store, KuboStore | SpreadStore):
        await store.unpin(Pin(cid=cid, name="job-1-asset"))
        assert await store.room() == before


async def test_a_store_that_was_never_used_has_room(store: ContentStore) -> None:
    """fault_87: asked before anything else."""
    assert (await store.room()).free_bytes


PLENTY = FolderLimits(size_bytes=2**22)
BUNDLE = {
    "job.json": b"{}",
    "frames/frame_0001.png": b"picture",
    "frames/empty.txt": b"",
    "frames/deep/er/Wüste 砂漠 👩‍🚀.png": hashlib.shake_256(b"leaves").digest(600_000),
    "again/frame_0001.png": b"picture",
}


def bundle(folder: Path, files: Mapping[str, bytes]) -> Path:
    """A folder with these files."""
    for name, content in files.items():
        write(folder / name, content)
    return folder


def files_in(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def names_in(folder: Path) -> list[str]:
    """What lies in a folder, which is made where it is missing."""
    folder.mkdir(exist_ok=True)
    return [path.name for path in folder.iterdir()]


async def folder_refusal(store: ContentStore, cid: str, out: Path, limits: FolderLimits = PLENTY) -> Code:
    """Why a folder is refused. Whatever the reason, nothing is left where it would be."""
    assert names_in(out) == []
    with pytest.raises(JobRejected) as caught:
        await store.fetch_folder(cid, out / "fetched", limits)
    assert names_in(out) == []
    return caught.value.code


async def test_a_folder_comes_back_as_it_was(store: ContentStore, tmp_path: Path) -> None:
    """Folders in folders, empty and large files, names of any script: what was added, no more."""
    cid = await store.add(bundle(tmp_path / "bundle", BUNDLE), "job-1-result")
    (tmp_path / "out").mkdir()
    size_bytes = await store.fetch_folder(cid, tmp_path / "out" / "fetched", PLENTY)
    assert size_bytes == sum(map(len, BUNDLE.values()))
    assert files_in(tmp_path / "out") == {f"fetched/{name}": content for name, content in BUNDLE.items()}


async def test_a_fetched_folder_replaces_what_was_there(store: ContentStore, tmp_path: Path) -> None:
    """fault_73: neither an older folder nor a file at the target mixes with what is fetched."""
    cid = await store.add(bundle(tmp_path / "bundle", {"new": b"new"}), "job-1-result")
    older = bundle(tmp_path / "out" / "older", {"new": b"older and longer", "old/file": b"old"})
    file = write(tmp_path / "out" / "file", b"a file")
    for target in (older, file):
        await store.fetch_folder(cid, target, PLENTY)
    assert files_in(tmp_path / "out") == {"older/new": b"new", "file/new": b"new"}


async def test_a_folder_beyond_its_limits_is_refused(store: ContentStore, tmp_path: Path) -> None:
    """fault_4, fault_5, fault_51: at its limits a folder is fetched; beyond any of them it is TOO_LARGE."""
    files = {"a/b/c": b"12345", "d": b"678"}
    cid = await store.add(bundle(tmp_path / "bundle", files), "job-1-result")
    just = FolderLimits(size_bytes=8, entries=4, depth=3, path_bytes=5)
    assert await store.fetch_folder(cid, tmp_path / "fetched", just) == 8
    for name, limit in (("size_bytes", 7), ("entries", 3), ("depth", 2), ("path_bytes", 4)):
        code = await folder_refusal(store, cid, tmp_path / "out", replace(just, **{name: limit}))
        assert (name, code) == (name, Code.TOO_LARGE)


@pytest.mark.parametrize("name", ["gnp\u202eexe.png", "two\nlines", "bell\x07", "mark\u200f"])
async def test_a_folder_with_a_deceiving_name_is_refused(
    store: ContentStore, tmp_path: Path, name: str
) -> None:
    """fault_4, fault_15: names that turn the reading direction or hold control characters are CORRUPT."""
    cid = await store.add(bundle(tmp_path / "bundle", {f"frames/{name}": b"x"}), "job-1-result")
    assert await folder_refusal(store, cid, tmp_path / "out") == Code.CORRUPT


async def test_what_is_no_folder_is_refused(store: ContentStore, tmp_path: Path) -> None:
    """fault_1, fault_4, fault_6: a file, of one block or of more, no CID, and what nobody has."""
    for content in (b"file", bytes(300_000)):
        cid = await add(store, tmp_path, content)
        assert await folder_refusal(store, cid, tmp_path / "out") == Code.NOT_A_FILE
    assert await folder_refusal(store, "../../etc", tmp_path / "out") == Code.BAD_CID
    assert await folder_refusal(store, ABSENT, tmp_path / "out") == Code.NOT_FOUND


async def test_transfers_are_heard_to_their_end(store: ContentStore, tmp_path: Path) -> None:
    """Bytes done only grow; the last word is all of them, of a file in and out, of a folder in and out."""
    file = write(tmp_path / "file", hashlib.shake_256(b"heard").digest(3_000_000))
    folder = bundle(tmp_path / "folder", {"a": b"12", "b/c": b"345"})
    for source, total_bytes in ((file, 3_000_000), (folder, 5)):
        heard: list[list[Transfer]] = [[], []]
        cid = await store.add(source, "job-1-result", heard[0].append)
        if source is file:
            await store.fetch(cid, tmp_path / "fetched-file", 2**22, heard[1].append)
        else:
            await store.fetch_folder(cid, tmp_path / "fetched", PLENTY, heard[1].append)
        for transfers in heard:
            done = [transfer.done_bytes for transfer in transfers]
            assert done == sorted(done)
            assert transfers[-1] == Transfer(done_bytes=total_bytes, total_bytes=total_bytes)
