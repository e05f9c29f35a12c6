"""Memory for many arrays that are given up together."""

import numpy as np

BLOCK = 2**26
"""How many bytes are asked for at once. Those that nothing is written to take no memory."""
EVERY = 8
"""Arrays begin at multiples of so many bytes."""


class Arena:
    """Arrays one behind the other in large blocks: the system has a block back as soon as nobody holds any array in it,
    while freed arrays of a few pages each would stay with the process."""

    def __init__(self):
        self._block, self._filled = np.empty(0, np.uint8), 0

    def keep(self, values: np.ndarray) -> np.ndarray:
        """A copy of an array of one dimension in a block."""
        if self._filled + values.nbytes > len(self._block):
            self._block, self._filled = np.empty(max(BLOCK, values.nbytes), np.uint8), 0
        own = self._block[self._filled : self._filled + values.nbytes].view(values.dtype)
        own[:] = values
        self._filled = -(-(self._filled + values.nbytes) // EVERY) * EVERY
        return own
