"""Fetching files and folders from a Kubo node and other sources."""
