"""The classic entry point: `python src/main.py` runs `veriframe worker`."""

import sys

from veriframe.cli import main

if __name__ == "__main__":
    main(["worker", *sys.argv[1:]])
