"""What every command needs: the home, the acting account, the kinds of its parts, and the log."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from veriframe.settings.section import AccountName, Section


class General(Section):
    """What every command needs: the home, the acting account, the kinds of its parts, and the log."""

    home: Path = Field(
        Path("~/.veriframe"), description="folder for the journal, work files and embedded parts"
    )
    account: AccountName | None = Field(
        None,
        description="name of the acting account; by default “worker” or “creator”",
    )
    registry: Literal["auto", "local", "starknet"] = Field(
        "auto",
        description="which job registry to use; “auto” is starknet if job_registry_address is set",
    )
    store: str = Field(
        "auto",
        description="which content store to use: local, kubo, or “auto”, which is kubo if ipfs_api is set",
    )
    log_format: Literal["auto", "pretty", "json"] = Field(
        "auto", description="“auto” is pretty on a terminal"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="lowest level to log")
