"""Scenes and frames: the `.blend` format, the scene check, and render tasks and their results."""
