"""Merkle roots: the test vectors of RFC 6962's reference implementation, and what a root commits to."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veriframe.model.bundle.merkle import frames_root, leaf_hash, root, split_leaves

INPUTS = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    4: "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    5: "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    6: "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    7: "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


@pytest.mark.parametrize("count", ROOTS)
def test_vectors(count: int) -> None:
    """The roots of the certificate-transparency project's test data."""
    assert root([leaf_hash(content) for content in INPUTS[:count]]).hex() == ROOTS[count]


def by_definition(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, word by word."""
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + by_definition(leaves[:k]) + by_definition(leaves[k:])).digest()


@given(st.lists(st.binary(max_size=4).map(leaf_hash), min_size=1, max_size=70))
def test_any_number_of_leaves(leaves: list[bytes]) -> None:
    """Level by level gives the tree of the definition."""
    assert root(leaves) == by_definition(leaves)


def test_no_leaf() -> None:
    """There is no root of nothing."""
    with pytest.raises(ValueError, match="leaf"):
        root([])


def test_frames_commit_to_their_numbers() -> None:
    """Two frames with the other's numbers have another root."""
    one, two = bytes(32), bytes([1]) * 32
    assert frames_root([(1, one), (2, two)]) != frames_root([(2, one), (1, two)])


def test_a_tiles_file() -> None:
    """32 bytes a leaf."""
    assert split_leaves(bytes(64)) == (bytes(32), bytes(32))
    for content in (b"", bytes(33)):
        with pytest.raises(ValueError, match="list"):
            split_leaves(content)
