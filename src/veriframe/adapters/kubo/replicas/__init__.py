"""Copies elsewhere: a second node or a pinning service, read back before a CID is used."""
