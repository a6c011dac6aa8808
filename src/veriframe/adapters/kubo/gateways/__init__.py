"""Third-party trustless gateways, each block checked."""
