"""Tables as pages show them."""

from .shown import shown as shown
