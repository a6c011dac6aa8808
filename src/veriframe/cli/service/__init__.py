"""`veriframe service`: the worker as a service of systemd."""
