"""The walls round Blender: what runs inside them, how they are built, and the proof that they hold."""
