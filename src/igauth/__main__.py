"""`python -m igauth` is `igauth`."""

from igauth.cli.main import main

if __name__ == "__main__":
    main()
