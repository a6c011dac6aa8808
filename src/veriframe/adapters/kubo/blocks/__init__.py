"""IPFS blocks: decoded, checked against their CIDs, and put together to files and folders."""
