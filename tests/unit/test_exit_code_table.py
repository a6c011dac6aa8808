"""The guide for creators names the exit code of each conclusion."""

from __future__ import annotations

from pathlib import Path

import pytest

from veriframe.cli.verification.running import EXIT_CODES
from veriframe.model.verification.findings import Conclusion

GUIDE = Path(__file__).parents[2] / "docs" / "creator.md"


@pytest.mark.parametrize("conclusion", [one for one, code in EXIT_CODES.items() if code])
def test_a_conclusion_has_its_row(conclusion: Conclusion) -> None:
    """With the word that `verify` uses."""
    table = GUIDE.read_text("utf-8").split("| exit code | meaning |")[1].split("\n\n")[0]
    (row,) = [line for line in table.splitlines() if line.startswith(f"| {EXIT_CODES[conclusion]} |")]
    assert conclusion in row
