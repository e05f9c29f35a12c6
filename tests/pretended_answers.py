"""Answers of members of the zoo that were never asked."""

import numpy as np
import pandas as pd

from zsas_lib.backbones.zoo import zoo_card
from zsas_lib.data.embedded.naming import HELD_OUT, NAMES
from zsas_lib.robustness.naming import CLEAN, STRANGERS, Answers


def pretended(member="reference", seed=0, noise=0.4, shifted=0.6, per_name=4):
    """Answers whose pictures lie around their names, farther under a factor, and strangers anywhere."""
    rng = np.random.default_rng([seed, int(100 * noise)])
    names = rng.normal(size=(len(NAMES), 16))
    names /= np.linalg.norm(names, axis=1, keepdims=True)
    facts, images = [], []
    for kind, level, far in ((CLEAN, 0, noise), ("lighting", 2, shifted), ("colour", 2, noise)):
        for name in HELD_OUT:
            for number in range(per_name):
                facts.append((kind, level, name, number))
                images.append(names[NAMES.index(name)] + far * rng.normal(size=16))
    for kind, own in STRANGERS.items():
        for place in range(40):
            facts.append((kind, 0, own[place % len(own)], place // len(own)))
            images.append(rng.normal(size=16))
    vectors = np.array(images)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = pd.DataFrame(facts, columns=["set", "level", "name", "number"])
    return Answers(zoo_card(member, seed), rows, vectors, names, 12.0)
