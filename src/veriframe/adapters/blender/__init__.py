"""Blender as a renderer, and the walls round it."""
