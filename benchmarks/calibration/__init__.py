"""Measures how far honest renders of a tile lie from one another, and how far those of cheats."""
