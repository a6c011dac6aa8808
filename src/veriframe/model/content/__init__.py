"""Content on IPFS: CIDs, folders, and the names of pins."""
