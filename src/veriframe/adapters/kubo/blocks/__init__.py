"""IPFS blocks: decoded, checked against their CIDs, and assembled into files and folders."""
