"""Benchmarks of the library against its peers and its bars, one module each.

    python -m benchmarks [NAME ...] [--device cuda] [--quick]

A module has a function ``measure(settings)`` that yields one `table.Measurement` after the other; `__main__` lists the
modules, bars.csv what they measure with the bars, measured.csv what was found. The book shows both
(zsas_book/site/benchmarks_page.py).
"""
