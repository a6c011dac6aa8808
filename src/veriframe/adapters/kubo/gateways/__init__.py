"""Trustless gateways of other people, each block checked."""
