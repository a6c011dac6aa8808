"""The review of an order: results are verified within their windows, paid or disputed, ordered again."""
