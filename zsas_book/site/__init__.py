"""From computed pages to the rendered book."""
