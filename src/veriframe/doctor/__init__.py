"""The checks of `veriframe doctor`: each examines one part and gives the remedy for what is missing."""
