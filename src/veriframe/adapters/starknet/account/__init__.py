"""Accounts: keys, keystores, and account contracts."""
