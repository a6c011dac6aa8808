"""Content on IPFS: CIDs and folders."""
