"""VeriFrame renders Blender frames on independent machines and pays for them through escrow."""

__version__ = "0.1.0"
