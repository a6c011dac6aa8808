"""VeriFrame: Blender frames rendered by strangers' machines, paid through escrow."""

__version__ = "0.1.0"
