//! plain_registry.cairo with JobId = u256 and Cid = (felt252, felt252)
