"""Values that typer refuses are answered in our words."""

from __future__ import annotations

import pytest

from veriframe.cli.app import Given, load
from veriframe.errors import SettingsError


@pytest.mark.parametrize(
    ("command", "words", "remedy"),
    [
        ("job", "show abc", "JOB cannot be “abc”: it must be a whole number."),
        ("job", "show 0", "at least 1"),
        ("job", f"show {2**64}", f"at most {2**63 - 1}"),
        ("job", "list --limit many", "--limit cannot be “many”"),
        ("job", "list --state OPN", "one of open, claimed, submitted, disputed, paid, refunded"),
        ("worker", "--slots 100", "at most 64"),
    ],
)
def test_a_value_of_a_wrong_form_is_answered_in_our_words(command: str, words: str, remedy: str) -> None:
    """fault_121: never “Input should be …, unable to parse string”; exit code 2, as a bad setting."""
    with pytest.raises(SettingsError) as raised:
        load(command, Given()).main(words.split(), standalone_mode=False)
    said = str(raised.value)
    assert remedy in said
    assert [text for text in ("Input should", "unable to parse", "Value error") if text in said] == []
