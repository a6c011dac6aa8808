"""Scripts that run without Blender in a clean sandbox: what becomes of rendered frames."""
