"""`python -m lamina`: the command `lamina` of this interpreter."""

from lamina.cli.main import main

if __name__ == "__main__":
    main()
