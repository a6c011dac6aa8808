"""The operator's settings: the only source of configuration, the environment included."""

from veriframe.settings.forms import shown
from veriframe.settings.loading import CLASSIC_NAMES, CONFIG_NAME, PREFIX, Loaded, load
from veriframe.settings.template import template
from veriframe.settings.values import SECTIONS, Settings, to_fri

__all__ = [
    "CLASSIC_NAMES",
    "CONFIG_NAME",
    "PREFIX",
    "SECTIONS",
    "Loaded",
    "Settings",
    "load",
    "shown",
    "template",
    "to_fri",
]
