"""All settings, flat: each section belongs to the part that it configures."""

from __future__ import annotations

from decimal import Decimal

from veriframe.model.quantities import FRI_PER_STRK
from veriframe.settings.chain import Chain
from veriframe.settings.claims import Claims
from veriframe.settings.content import Content
from veriframe.settings.general import General
from veriframe.settings.rendering import Rendering
from veriframe.settings.work import Work


class Settings(Work, Claims, Rendering, Content, Chain, General):
    """The settings of all sections."""


SECTIONS = (General, Chain, Content, Rendering, Claims, Work)
"""The sections in the order in which they are shown, under their names."""


def to_fri(amount: Decimal) -> int:
    """Convert STRK to fri, exactly: the settings allow 18 decimal places."""
    return int(amount * FRI_PER_STRK)
