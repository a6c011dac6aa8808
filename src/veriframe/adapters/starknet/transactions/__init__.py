"""Transactions of one account: fees, signing, sending, receipts, and the outbox that survives a crash."""
