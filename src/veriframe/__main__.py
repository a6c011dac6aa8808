"""`python -m veriframe` is the same as `veriframe`."""

from veriframe.cli import main

if __name__ == "__main__":
    main()
