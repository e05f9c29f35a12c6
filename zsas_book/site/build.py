"""Jupyter Book's own program as a module, which starts by the server of `machine.warm` where there is one."""

from jupyter_book.cli.main import main

if __name__ == "__main__":
    main()
