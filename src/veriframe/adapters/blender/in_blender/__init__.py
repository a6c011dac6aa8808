"""Scripts that run inside Blender, or next to it in a clean sandbox. The worker imports none of them."""
