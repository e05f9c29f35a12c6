"""The book as its readers meet it: what is staged for rendering, made from computed pages, rerun beside them, or forked."""
