"""What a worker does and earns now, for its screen, its sentences and `veriframe status`."""
