"""Cairo types: ABIs, and values encoded as felts and decoded from them."""
