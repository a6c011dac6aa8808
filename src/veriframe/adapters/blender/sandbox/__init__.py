"""The sandbox around Blender: its levels, its limits and its self-test."""
