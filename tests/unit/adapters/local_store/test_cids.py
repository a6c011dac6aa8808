"""The embedded store names content as Kubo does."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import pytest

from veriframe.adapters.local_store import LocalStore
from veriframe.adapters.local_store.copying import folder_cid
from veriframe.ports.store import FetchLimits

CHUNK = 262_144

# From Kubo 0.42.0 for `content(size)`: ipfs add --only-hash --cid-version=1 --raw-leaves
# --chunker=size-262144 --max-file-links=174 --hash=sha2-256. Around one chunk, and around one full node.
FILES = [
    (0, "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"),
    (1, "bafkreigl4xh567bbdcu4hv4o6hlij45pucesae2srbsetidkmui4733uu4"),
    (CHUNK - 1, "bafkreihefriofm3mzrij3yf4gp3m7zkk7bvuzfhqvl2azkuzfd3xezukwe"),
    (CHUNK, "bafkreiahtiz7lngnywzzps56qyhwa6gl7y552xa2k7py7d3ua5yvyvroda"),
    (CHUNK + 1, "bafybeie7xbr6vwpnaby4wnplpe6e7y7xysiy7mfcuzkmwwlxfckkvjltey"),
    (2 * CHUNK, "bafybeigijx25tdqbetiragajaaxepov6dvma7nzczqerse3yj3zexjdklm"),
    (174 * CHUNK, "bafybeigttna247hrf7zprpjc35w5gplursnfkbf23mztvsqstxeemys5e4"),
    (174 * CHUNK + 1, "bafybeigst3og7w3aiqw46tvihsvykata5j3bccikqte3tyfgvjxuz6o4ru"),
]


def content(size_bytes: int) -> bytes:
    """Deterministic bytes: the same 1 MiB repeated."""
    whole, rest = divmod(size_bytes, 2**20)
    return hashlib.shake_256(b"veriframe").digest(2**20) * whole + hashlib.shake_256(b"veriframe").digest(
        rest
    )


# From the same Kubo, with `-r -H` added.
BUNDLE = {
    "manifest.json": b"{}",
    "preview.jpg": b"",
    "frames/frame_0001.png": content(300_000),
    "frames/frame_0002.png": content(5),
    "proof/deep/er/frame_0001.exr": content(CHUNK + 1),
}
NAMES = {
    "été.png": b"1",
    "雪/山.png": b"2",
    "e\u0301te\u0301.png": b"3",
    "Z": b"4",
    "a b\nc": b"5",
    ".hidden": b"6",
}
FOLDERS: list[tuple[Mapping[str, bytes], str]] = [
    ({"a": b"1"}, "bafybeicd3sviwe5miiqpppsmrywozjznkduxccejjfwzsuw55jnioqnfga"),
    (BUNDLE, "bafybeigrd7wblds7nhuyaciphiklqkjjetkaklo4lg352xyha7rxwtdiwe"),
    (NAMES, "bafybeicuoeqzp3w5olq3ot3ahisp72h7fc4wfklrasdssc7ken5iwvdeoa"),
]


def build(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Creates a folder with files."""
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


@pytest.mark.parametrize(("size_bytes", "cid"), FILES)
async def test_files_have_the_cids_that_kubo_gives(tmp_path: Path, size_bytes: int, cid: str) -> None:
    """fault_53: a file's CID is that of the same file on IPFS, and fetches it."""
    store = LocalStore(tmp_path / "store", 2**27)
    (tmp_path / "source").write_bytes(content(size_bytes))
    assert await store.add(tmp_path / "source", "asset") == cid
    assert (
        await store.fetch(cid, tmp_path / "target", FetchLimits(file_bytes=size_bytes))
    ).size_bytes == size_bytes
    assert (tmp_path / "target").read_bytes() == content(size_bytes)


@pytest.mark.parametrize(("files", "cid"), FOLDERS, ids=["one file", "a bundle", "names"])
async def test_folders_have_the_cids_that_kubo_gives(
    tmp_path: Path, files: Mapping[str, bytes], cid: str
) -> None:
    """fault_53: a folder's CID is that of the same folder on IPFS, with names in any script."""
    store = LocalStore(tmp_path / "store", 2**27)
    assert await store.add(build(tmp_path / "source", files), "result") == cid
    assert await store.size_bytes() == sum(len(data) for data in files.values())


def test_large_folders_have_the_cids_that_kubo_gives(tmp_path: Path) -> None:
    """fault_53: 6000 long names do not fit into one node; Kubo shards such a folder."""
    files = {f"frame_{number:06d}_with_a_rather_long_name.png": b"%d" % number for number in range(6000)}
    cid = folder_cid(build(tmp_path / "source", files))
    assert cid == "bafybeig7bbue6pn7zdwjhyxvjgjpbwcdwzcwcxlhnoor3d2vqrcwqv7aea"
