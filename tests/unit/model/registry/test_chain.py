"""Chain ids: short strings for people, felts for the chain."""

from __future__ import annotations

import pytest

from veriframe.model.registry.chain import format_chain_id, parse_chain_id


@pytest.mark.parametrize("text", ["SN_MAIN", "SN_SEPOLIA", "0x1", "0x" + "f" * 62, "0x206f6e6c79"])
def test_ids_survive_a_round_trip(text: str) -> None:
    """A parsed id is formatted as the same text."""
    assert format_chain_id(parse_chain_id(text)) == text


def test_hex_of_a_name_is_the_name() -> None:
    """Both forms are accepted."""
    assert parse_chain_id("0x534e5f5345504f4c4941") == parse_chain_id("SN_SEPOLIA") == 0x534E5F5345504F4C4941


@pytest.mark.parametrize("text", ["", "0x", "0x0", "Ä", "S" * 32, "0x" + "f" * 64, "a\nb", "0xz"])
def test_invalid_ids_are_refused(text: str) -> None:
    """With a `ValueError`."""
    with pytest.raises(ValueError, match=r"id|hex|literal"):
        parse_chain_id(text)
