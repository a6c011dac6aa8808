"""A chain's id is a short string to people, and a felt to the chain."""

from __future__ import annotations

import pytest

from veriframe.model.registry.chain import format_chain_id, parse_chain_id


@pytest.mark.parametrize("text", ["SN_MAIN", "SN_SEPOLIA", "0x1", "0x" + "f" * 62, "0x206f6e6c79"])
def test_there_and_back(text: str) -> None:
    """What is told is what was meant."""
    assert format_chain_id(parse_chain_id(text)) == text


def test_hex_of_a_name_is_the_name() -> None:
    """People may write either."""
    assert parse_chain_id("0x534e5f5345504f4c4941") == parse_chain_id("SN_SEPOLIA") == 0x534E5F5345504F4C4941


@pytest.mark.parametrize("text", ["", "0x", "0x0", "Ä", "S" * 32, "0x" + "f" * 64, "a\nb", "0xz"])
def test_what_is_no_id_is_refused(text: str) -> None:
    """One `ValueError`, whatever it is."""
    with pytest.raises(ValueError, match=r"id|hex|literal"):
        parse_chain_id(text)
