"""IPFS: a Kubo node, and trustless gateways. Every block is checked against its own CID."""
