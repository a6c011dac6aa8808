"""The job registry's rules: orders, jobs, moves, escrow, and the ledger of their money."""
