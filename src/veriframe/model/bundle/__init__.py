"""Bundles: a scene with all its files and what to render of it; its chunks, and what comes back."""
