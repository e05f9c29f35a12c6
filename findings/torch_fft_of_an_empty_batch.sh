#!/usr/bin/env bash
# torch 2.12.1: on a processor, the Fourier transform of a batch without pictures raises an error of MKL's that says
# nothing of the batch.
#
# Expected: an empty batch of spectra, as numpy and scipy give it and as torch's own layers and its interpolation do, so
# that a filter in the Fourier domain may stand between two layers when a loader's last batch, or a mask, leaves nothing.
# Seen: "MKL FFT error: Intel oneMKL DFTI ERROR: Inconsistent configuration parameters", of real and of complex transforms,
# forward and back; the inverse of a real one as well.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/python -m pip install --quiet uv==0.13.9  # takes torch, of several GB, from its cache once it is there
venv/bin/python -m uv pip install --quiet --python venv/bin/python torch==2.12.1 numpy==2.4.6 scipy==1.17.1
venv/bin/python - <<'PY' | tee seen
import numpy as np
import scipy.fft
import torch

empty = torch.zeros(0, 3, 32, 32)


def of(name, function):
    try:
        print(f"{name}: {tuple(function().shape)}")
    except RuntimeError as error:
        print(f"{name}: {error}")


of("convolution", lambda: torch.nn.Conv2d(3, 4, 3, padding=1)(empty))
of("interpolation", lambda: torch.nn.functional.interpolate(empty, (8, 8), mode="bicubic", antialias=True))
of("numpy rfft2", lambda: np.fft.rfft2(empty.numpy()))
of("scipy rfft2", lambda: scipy.fft.rfft2(empty.numpy()))
of("torch rfft2", lambda: torch.fft.rfft2(empty))
of("torch fft", lambda: torch.fft.fft(empty))
of("torch irfft", lambda: torch.fft.irfft(torch.zeros(0, 17, dtype=torch.complex64)))
PY
diff seen - <<'SEEN'
convolution: (0, 4, 32, 32)
interpolation: (0, 3, 8, 8)
numpy rfft2: (0, 3, 32, 17)
scipy rfft2: (0, 3, 32, 17)
torch rfft2: MKL FFT error: Intel oneMKL DFTI ERROR: Inconsistent configuration parameters
torch fft: MKL FFT error: Intel oneMKL DFTI ERROR: Inconsistent configuration parameters
torch irfft: MKL FFT error: Intel oneMKL DFTI ERROR: Inconsistent configuration parameters
SEEN
