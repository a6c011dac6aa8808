"""Verification: draws tiles of a result, renders them again, compares, and reports."""
