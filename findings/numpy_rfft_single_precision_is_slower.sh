#!/usr/bin/env bash
# numpy 2.4.6 beside scipy 1.17.1: `numpy.fft.rfft` of float32 takes several times as long as of float64.
#
# Expected: since numpy 2.0 transforms single precision as it is, half the bytes and at most the time of float64, as
# `numpy.fft.irfft` and scipy, whose transforms have the same origin, take it.
# Seen: 512 lines of 225 or of 750 numbers take more than twice float64's time (mostly four times), and more than twice
# scipy's of the same float32; the way back takes no longer than float64's. Results are float32's in both libraries and
# agree. So whoever transforms pictures in single precision asks scipy, or converts to float64 first.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/python -m pip install --quiet numpy==2.4.6 scipy==1.17.1
OMP_NUM_THREADS=1 venv/bin/python - <<'PY' | tee seen
import sys
from timeit import repeat

import numpy as np
import scipy.fft


def milliseconds(function, *arguments):
    return 1e3 * min(repeat(lambda: function(*arguments), number=3, repeat=15)) / 3


for length in (225, 750):
    double = np.random.default_rng(0).random((512, length))
    single = double.astype(np.float32)
    spectra = {lines.dtype: scipy.fft.rfft(lines) for lines in (single, double)}
    there = {lines.dtype: milliseconds(np.fft.rfft, lines) for lines in (single, double)}
    back = {kind: milliseconds(np.fft.irfft, spectrum, length) for kind, spectrum in spectra.items()}
    of_scipy = milliseconds(scipy.fft.rfft, single)
    print(length, "there", there, "back", back, "scipy", of_scipy, file=sys.stderr)
    own, kind = np.fft.rfft(single), (single.dtype, double.dtype)
    print(f"{length}: {own.dtype}, as scipy's: {np.allclose(own, spectra[kind[0]], atol=1e-3)}")
    print(f"{length}: more than twice float64's time: {there[kind[0]] > 2 * there[kind[1]]}")
    print(f"{length}: more than twice scipy's: {there[kind[0]] > 2 * of_scipy}")
    print(f"{length}: back in no more than float64's time: {back[kind[0]] < 1.2 * back[kind[1]]}")
PY
diff seen - <<'SEEN'
225: complex64, as scipy's: True
225: more than twice float64's time: True
225: more than twice scipy's: True
225: back in no more than float64's time: True
750: complex64, as scipy's: True
750: more than twice float64's time: True
750: more than twice scipy's: True
750: back in no more than float64's time: True
SEEN
