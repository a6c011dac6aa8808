"""Removal of content that a Kubo node has only because it was fetched through it."""
