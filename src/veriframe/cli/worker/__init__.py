"""`veriframe worker` and `veriframe status`: a worker at work, and how it is seen."""
