"""The standing of a worker's account at a registry that registers its workers."""

from __future__ import annotations

from dataclasses import dataclass

from veriframe.model.registry.job import Address, format_address


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStanding:
    """The standing of an account. A field is None if the registry does not say.

    `may_register`: whether a worker can register itself. `is_paused`: whether the registry is paused.
    """

    may_register: bool
    is_registered: bool | None
    is_verified: bool | None
    reputation: int | None
    is_paused: bool

    @property
    def words(self) -> str:
        """All that is known, such as `registered, not verified, reputation 3`; empty if nothing is."""
        facts = {"registered": self.is_registered, "verified": self.is_verified}
        words = [name if known else f"not {name}" for name, known in facts.items() if known is not None]
        words += [] if self.reputation is None else [f"reputation {self.reputation}"]
        return ", ".join(words + (["the registry is paused"] if self.is_paused else []))

    def remedy(self, account: Address) -> str:
        """What must be done before `account` may work there now. Empty if nothing is in the way."""
        return self.missing(account) or ("Wait until its owner resumes it." if self.is_paused else "")

    def missing(self, account: Address) -> str:
        """What must be done, and by whom, before `account` may work there. Empty if nothing is missing."""
        verify = f"the registry's owner must verify the account {format_address(account)} (verify_worker)"
        if self.is_registered is False and self.may_register:
            return f"Run `veriframe account register`; then {verify}, if the registry requires it."
        if self.is_registered is False:
            return f"The registry's owner must register the account {format_address(account)}."
        if self.is_verified is False:
            is_open = self.is_registered is None and self.may_register
            first = "Run `veriframe account register` if you have not; then " if is_open else ""
            return f"{first}{verify}."[0].upper() + f"{first}{verify}."[1:]
        return ""
