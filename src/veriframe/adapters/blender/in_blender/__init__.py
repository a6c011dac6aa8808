"""Scripts that run inside Blender, or beside it in a clean sandbox. None is imported by the worker."""
