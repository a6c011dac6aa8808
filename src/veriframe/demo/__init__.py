"""The demo: the whole system at work on the embedded parts, with an honest worker and one who cheats."""
