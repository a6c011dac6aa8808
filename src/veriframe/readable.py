"""What stands for the characters of our sentences and tables where an encoding lacks them."""

from __future__ import annotations

import codecs
import re

IN_ASCII = {
    **dict.fromkeys("‘’", "'"),
    **dict.fromkeys("“”", '"'),
    **dict.fromkeys("–‐‑−─━╌╴╶╸╺═", "-"),
    **dict.fromkeys("│┃║╎", "|"),
    **dict.fromkeys("┌┐└┘├┤┬┴┼┏┓┗┛┡┩┳┻╇╋╭╮╰╯╔╗╚╝╠╣╦╩╬", "+"),
    **dict.fromkeys("•·", "*"),
    **dict.fromkeys("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "*"),
    "…": "...",
    "→": "->",
    "×": "x",
    "≤": "<=",
    "≥": ">=",
    "✓": "+",
    "✗": "x",
    "µ": "u",
    "●": "*",
    "■": "#",
    "±": "+/-",
    "▸": ">",
    "\N{NO-BREAK SPACE}": " ",
}
"""What stands for the characters of our sentences and tables where an encoding lacks them."""

_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_POWER = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+")

READABLE = "veriframe.readable"
"""The name of the error handler that writes such characters by `IN_ASCII`, and escapes all others."""


def _readable(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = _POWER.sub(
        lambda power: f"^{power[0].translate(_RAISED)}", error.object[error.start : error.end]
    )
    written = "".join(IN_ASCII.get(letter, letter) for letter in lacking)
    return written.encode("ascii", "backslashreplace").decode("ascii"), error.end


codecs.register_error(READABLE, _readable)
