"""A foreign registry's functions for the moves of creators, which VeriFrame names but does not call."""

from __future__ import annotations

from collections.abc import Mapping

from veriframe.adapters.starknet.cairo.abi import Abi, Function
from veriframe.model.text import printable

NAMES: Mapping[str, tuple[str, ...]] = {
    "create": ("create_job", "post_job", "create_order"),
    "accept": ("accept_result", "approve_result", "accept_job", "approve_job", "complete_job"),
    "cancel": ("cancel_job",),
    "dispute": ("dispute_result", "dispute_job", "open_dispute"),
    "resolve": ("resolve_dispute", "decide_dispute"),
}
"""Our command for each move, and the names that registries use for it."""


def creator_functions(abi: Abi) -> Mapping[str, str]:
    """By command, the function that a registry has for it: `cancel_job(job_id: felt252)`."""
    return {
        command: _shape(abi.functions[name])
        for command, names in NAMES.items()
        for name in names[::-1]
        if name in abi.functions
    }


def _shape(function: Function) -> str:
    inputs = ", ".join(f"{field.name}: {field.type}" for field in function.inputs)
    return printable(f"{function.name}({inputs})", 200)
