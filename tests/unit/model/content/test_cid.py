"""Parsing CIDs: one canonical text for each content, and BAD_CID for everything else."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veriframe.errors import Code, JobRejected
from veriframe.model.content.cid import Cid, Codec, canonical, parse_cid

# The CID of a file of one byte, in the spellings of `ipfs cid format -b …` of Kubo 0.42.
RAW = "bafkreigl4xh567bbdcu4hv4o6hlij45pucesae2srbsetidkmui4733uu4"
RAW_SPELLINGS = (
    RAW,
    "BAFKREIGL4XH567BBDCU4HV4O6HLIJ45PUCESAE2SRBSETIDKMUI4733UU4",
    "bAFkreigl4xh567bbdcu4hv4o6hlij45pucesae2srbsetidkmui4733uu4",
    "f01551220cbe5cfdf7c2118a9c3d78ef1d684f3afa089201352886449a06a6511cfef74a7",
    "F01551220CBE5CFDF7C2118A9C3D78EF1D684F3AFA089201352886449A06A6511CFEF74A7",
    "k2cwuedqcqgcqzs7x5lkoiydl6z7qqssu7kltnwkmpvw9skmpw3bd5lz",
    "K2CWUEDQCQGCQZS7X5LKOIYDL6Z7QQSSU7KLTNWKMPVW9SKMPW3BD5LZ",
    "zb2rhkNDCiTv8DqRFAMxtfbjubXbGrMVhELtaoVwQGoSR5aKp",
)

DIGEST = "cbe5cfdf7c2118a9c3d78ef1d684f3afa089201352886449a06a6511cfef74a7"
SHA2_512 = (
    "fqevpkejdcjkywyfaiv2e5b7thksj7vfngviwjjp6fuhzbnvcjdrpatmjxehxftrxnqqjeisj7msbh3iicxiq4yh2efqulz2uc"
)

BAD = {
    "empty": "",
    "a prefix alone": "b",
    "version 0 with a letter changed to one outside base58": "Qm0uZBbpLoQpoJxoEAVZb6YnYcLWVATCSHP3dib2Er529m",
    "version 0 cut off": "QmSuZBbpLoQpoJxoEAVZb6YnYcLWVATCSHP3dib2Er529",
    "version 0 behind a multibase prefix": "zQmSuZBbpLoQpoJxoEAVZb6YnYcLWVATCSHP3dib2Er529m",
    "a path": f"/ipfs/{RAW}",
    "a path behind a CID": f"{RAW}/scene.blend",
    "out of the folder": "../../etc/passwd",
    "a link": f"ipfs://{RAW}",
    "a web address": f"https://ipfs.io/ipfs/{RAW}",
    "a newline": f"{RAW}\n",
    "a newline before": f"\n{RAW}",
    "NUL": f"{RAW}\0",
    "a space in base16": f"f01551220 {DIGEST}",
    "a letter that only looks right": RAW.replace("f", "ƒ", 1),
    "a digit of another script": f"{RAW[:-1]}٤",
    "the Kelvin sign, a k in lower case": "\N{KELVIN SIGN}" + RAW_SPELLINGS[5][1:],
    "cut off": RAW[:-1],
    "one letter more": f"{RAW}a",
    "bits left over that are not zero": f"{RAW[:-1]}5",
    "identity digest": "bafkqaa3inefa",
    "blake3": "bafkr4ib247mal5tytjsaflfxblkas2ufuvv7nacov4s4asj2y2lvjdjqwu",
    "sha2-512": "bafkrgq" + SHA2_512 + "vdl7ge",
    "dag-json": "baguqeerazps47x34eemktq6xr3y5nbhtv6qisiatkkegisnanjsrdt7postq",
    "padded base32": "cafkreigl4xh567bbdcu4hv4o6hlij45pucesae2srbsetidkmui4733uu4======",
    "base64": "mAVUSIMvlz998IRipw9eO8daE86+giSATUohkSaBqZRHP73Sn",
    "version 2": f"f02551220{DIGEST}",
    "a varint that is longer than it need be": f"f8100551220{DIGEST}",
    "a digest of 31 bytes": f"f0155121f{DIGEST[:-2]}",
    "a digest that is shorter than it says": f"f01551220{DIGEST[:-2]}",
    "zeros before, in base58": "z1b2rhkNDCiTv8DqRFAMxtfbjubXbGrMVhELtaoVwQGoSR5aKp",
    "a megabyte": "b" * 2**20,
}


@pytest.mark.parametrize("text", RAW_SPELLINGS)
def test_all_spellings_of_a_cid_are_one_key(text: str) -> None:
    """fault_2: lower and upper case, base16, base32, base36 and base58 of one CID have one canonical text."""
    assert canonical(text) == RAW


def test_version_0_is_the_same_content_in_version_1() -> None:
    """fault_2: a CIDv0 becomes the same CIDv1 with dag-pb as in Kubo."""
    v1 = "bafybeicd3sviwe5miiqpppsmrywozjznkduxccejjfwzsuw55jnioqnfga"
    assert canonical("QmSuZBbpLoQpoJxoEAVZb6YnYcLWVATCSHP3dib2Er529m") == v1


def test_a_cid_has_codec_and_digest() -> None:
    """A parsed CID holds the codec and the digest of its bytes."""
    content = b"a small file is one raw block"
    text = f"f01551220{hashlib.sha256(content).hexdigest()}"
    assert parse_cid(text) == Cid(Codec.RAW, hashlib.sha256(content).digest())


@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
def test_anything_else_is_refused(text: str) -> None:
    """fault_1, fault_3: invalid texts, and CIDs that cannot be checked here, are refused as BAD_CID."""
    with pytest.raises(JobRejected) as caught:
        parse_cid(text)
    assert caught.value.code == Code.BAD_CID


def test_the_refusal_can_be_shown_on_a_terminal() -> None:
    """fault_15: the sentence has no control or bidirectional characters and is short."""
    with pytest.raises(JobRejected) as caught:
        parse_cid("\x1b[2J\u202e" + "x" * 100)
    shown = str(caught.value)
    assert shown.replace("…", "").isascii()
    assert shown.isprintable()
    assert len(shown) < 300


def code_of(text: str) -> Code | None:
    """The code of the parser's refusal, or None for a CID, which must survive a round trip."""
    try:
        cid = parse_cid(text)
    except JobRejected as error:
        return error.code
    assert parse_cid(str(cid)) == cid
    return None


@given(st.text(max_size=200))
def test_no_text_breaks_the_parser(text: str) -> None:
    """fault_1: any text is refused as BAD_CID; no other error is raised."""
    assert code_of(text) == Code.BAD_CID


@given(st.text(alphabet="bBfFkKzQmafkrei0123456789", max_size=80))
def test_no_text_that_looks_like_a_cid_breaks_the_parser(text: str) -> None:
    """fault_1: the same for text of the letters of CIDs, which may happen to be one."""
    assert code_of(text) in (Code.BAD_CID, None)


@given(st.sampled_from(Codec), st.binary(min_size=32, max_size=32))
def test_every_cid_survives_a_round_trip(codec: Codec, digest: bytes) -> None:
    """fault_2: by its canonical text, and by base16, which this test encodes itself."""
    cid = Cid(codec, digest)
    binary = bytes((1, codec, 0x12, 32)) + digest
    assert str(cid) == "b" + base64.b32encode(binary).decode().rstrip("=").lower()
    assert parse_cid(str(cid)) == cid
    assert parse_cid("F" + binary.hex().upper()) == cid


@given(st.binary(max_size=60))
def test_only_the_exact_binary_form_is_a_cid(binary: bytes) -> None:
    """fault_3: only 36 bytes with version, codec, digest name and digest are accepted."""
    fits = len(binary) == 36 and binary[0] == 1 and binary[1] in (0x55, 0x70) and binary[2:4] == b"\x12\x20"
    assert code_of("f" + binary.hex()) == (None if fits else Code.BAD_CID)
