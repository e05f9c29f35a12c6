"""WinCLIP's harmonic mean over windows, written as loops."""

import torch


def harmonic_by_loops(scores, grid, side):
    """Patch by patch, over the windows whose corner lies at most side - 1 above and left of it."""
    expected = torch.zeros(len(scores), grid, grid)
    for row in range(grid):
        for column in range(grid):
            covering = [
                scores[:, i, j]
                for i in range(grid - side + 1)
                for j in range(grid - side + 1)
                if i <= row < i + side and j <= column < j + side
            ]
            expected[:, row, column] = len(covering) / sum(1 / score for score in covering)
    return expected
