"""Scenes and frames: the `.blend` format, what a scene may ask for, and what a renderer is asked."""
