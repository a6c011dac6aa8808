"""Removing from a Kubo node what it has only because it was fetched through it."""
