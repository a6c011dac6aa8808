"""The ports: protocols for the external parts that the program needs, one module each.

Adapters inherit them explicitly. Methods raise only errors of `veriframe.errors`. Each port has one
conformance suite in `tests/ports`, which runs on every adapter and on the fake.
"""
