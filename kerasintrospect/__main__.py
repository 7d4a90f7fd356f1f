"""`python -m kerasintrospect`."""

from kerasintrospect.cli import main

if __name__ == "__main__":
    main()
