"""Joins the parts as the settings say: one module for each of them. Nothing else names adapters."""
