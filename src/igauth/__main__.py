"""`python -m igauth` is `igauth`."""

from igauth.cli import main

if __name__ == "__main__":
    main()
