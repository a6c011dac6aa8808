"""What the program needs of the outside world: one module a port, each a small protocol.

Adapters inherit it explicitly. Every method raises only errors of `veriframe.errors`. Each port has one
conformance suite in `tests/ports`, which runs on every adapter and on the fake.
"""
