"""What is said of a picture of the zoo: its name, or one of its words, and a way of putting it."""

from numpy.random import Generator

from ...data.embedded.naming import MATERIALS, NAMED_SHAPES

WORDINGS = {
    "photograph": ("{}", "a {}", "the {}", "a photo of a {}", "a photo of the {}"),
    "drawing": ("{}", "one {}", "drawing of one {}", "this drawing shows one {}", "{} as a drawing"),
}
"""By the source of the pictures: each has captions of its own kind."""
WORDS = tuple(
    dict.fromkeys(
        [*MATERIALS, *NAMED_SHAPES, "part"]
        + [word for wordings in WORDINGS.values() for wording in wordings for word in wording.split() if word != "{}"]
    )
)
"""The vocabulary of the zoo's text towers."""
KINDS = ("name", "material", "shape")
"""What captions are about: the whole name, "MATERIAL part", or the shape."""


def subjects(name: str) -> tuple[str, str, str]:
    """What the three captions of a picture are about, by `KINDS`."""
    material, shape = name.split()
    return name, f"{material} part", shape


def caption(rng: Generator, about: str, style: str) -> str:
    """A sentence about a subject, as the source of pictures ``style`` words it."""
    wordings = WORDINGS[style]
    return wordings[rng.integers(len(wordings))].format(about)
