"""`veriframe arbiter`: the command, and how it shows disputes."""
