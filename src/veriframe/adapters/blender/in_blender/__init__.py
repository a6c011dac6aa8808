"""Scripts that run inside Blender, or beside its libraries in a clean sandbox: standard library and bpy only."""
