"""The book: everything that turns a notebook into a page and pages into a book.

What notebooks use is listed in ``__init__.pyi``.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
