"""Scripts that run inside Blender to find the files of a scene, and to save it with other paths."""
