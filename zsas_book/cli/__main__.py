"""``python -m zsas_book.cli``: the command ``zsas``."""

from . import main

main()
