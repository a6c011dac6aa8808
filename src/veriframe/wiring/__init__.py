"""Wires the parts together according to the settings. No other package imports adapters."""
