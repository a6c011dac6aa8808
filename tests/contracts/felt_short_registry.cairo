//! plain_registry.cairo with JobId = felt252 and Cid = felt252
