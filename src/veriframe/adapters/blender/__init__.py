"""The Blender renderer and its sandbox."""
