"""Pins with many names: each is a folder, whose CID follows from content and name."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veriframe.adapters.kubo.blocks.unixfs import FolderBlock, decode_block
from veriframe.adapters.kubo.node.pins import pin_folder, read_pin
from veriframe.errors import SettingsError
from veriframe.model.content.cid import Cid, Codec, parse_cid
from veriframe.model.registry.job import Address
from veriframe.model.registry.pin_names import MAX_NAME_BYTES, PinNames
from veriframe.ports.store import Pin

CONTENT = Cid(Codec.RAW, sha256(b"content").digest())


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), st.sampled_from(Codec))
def test_a_pin_is_read_back_from_the_nodes_list(name: str, codec: Codec) -> None:
    """fault_56: any name and any content make a valid folder of one entry, and are read back the same."""
    content = Cid(codec, CONTENT.digest)
    folder = pin_folder(content, name)
    block = decode_block(parse_cid(folder.cid), folder.block)
    assert isinstance(block, FolderBlock)
    assert [link.cid for link in block.entries] == [content]
    assert sha256(folder.block).digest() == parse_cid(folder.cid).digest
    assert read_pin(folder.cid, folder.kubo_name) == Pin(cid=str(content), name=name)


def test_each_name_and_content_has_its_own_folder() -> None:
    """fault_56: content that is released under one name stays pinned under the others."""
    other = Cid(Codec.RAW, sha256(b"other").digest())
    folders = {pin_folder(content, name).cid for content in (CONTENT, other) for name in ("a", "b")}
    assert len(folders) == 4


def test_pins_of_others_are_not_listed() -> None:
    """An operator's own pins, and labels that do not match the pinned content, are not ours."""
    folder = pin_folder(CONTENT, "a")
    for name in ("", "a", "veriframe", "veriframe::", f"veriframe:{CONTENT}:b", "veriframe:../x:a"):
        assert read_pin(folder.cid, name) is None
    assert read_pin(str(CONTENT), folder.kubo_name) is None


def test_the_longest_names_fit() -> None:
    """fault_91: with any chain's registry, the highest account and the highest job."""
    names = PinNames("SN_SEPOLIA_1-" + hex(2**252 - 1), Address(2**252 - 1))
    longest = (
        names.result(2**64 - 1),
        names.asset(2**64 - 1),
        names.evidence(2**64 - 1),
        names.unposted("f" * 16),
    )
    for name in longest:
        assert len(name) <= MAX_NAME_BYTES
        folder = pin_folder(Cid(Codec.DAG_PB, CONTENT.digest), name)
        assert len(folder.kubo_name) <= 255
        assert read_pin(folder.cid, folder.kubo_name) is not None


def test_a_name_that_is_too_long_is_refused() -> None:
    """Kubo accepts 255 bytes: the caller has to shorten longer names."""
    with pytest.raises(SettingsError):
        pin_folder(CONTENT, "ü" * 40)
