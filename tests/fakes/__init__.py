"""A plain in-memory stand-in for each outside system."""
