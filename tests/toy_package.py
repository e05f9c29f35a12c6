"""A toy package of sources with every way in which one definition uses another, and digests of what it defines."""

from collections.abc import Callable
from pathlib import Path

from zsas_lib.base.sources import source_digest

FILES = {
    "__init__.py": "import lazy_loader\n__getattr__ = lazy_loader.attach_stub(__name__)\n",
    "__init__.pyi": "from . import tools as tools\nfrom .top import public as public\n",
    "top.py": """\
import math
import warnings
from torch import sin as wave
from .inner import Base as Parent, helper, other
from . import tools
from .groups import grouped

LIMIT: int = 3
LIMITS = (1, LIMIT)

def public(x, most=LIMIT):
    from .lazy import later
    if x > most:
        raise ValueError(f"Expected at most {most}, got {x}.")
    assert x, "Expected something."
    warnings.warn(f"Slow: {x}")
    return helper(wave(x)) + tools.turned(x) + later(x) + grouped(x)

def aside():
    return other(LIMITS)

class Child(Parent):
    def value(self):
        return super().value() + 1
""",
    "inner.py": """\
from functools import cache
from .errors_of_its_own import Wrong
STEP = 2
OTHER_STEP = 5

def helper(x):
    # half a comment
    return x * STEP

def other(x):
    return x * OTHER_STEP

@cache
def kept(x):
    return helper(x)

class Base:
    def value(self):
        return even(4)

def even(n):
    return n == 0 or odd(n - 1)

def odd(n):
    return n != 0 and even(n - 1)
""",
    "errors_of_its_own.py": "class Wrong(ValueError):\n    pass\n",
    "tools.py": "def turned(x):\n    return -x\n\ndef unused(x):\n    return x\n",
    "lazy.py": "def later(x):\n    return x + 1\n",
    "groups/__init__.py": "from .parts import one as grouped\n",
    "groups/parts.py": "def one(x):\n    return 1\n\ndef two(x):\n    return 2\n",
    "base/__init__.py": "",
    "base/errors.py": "class Trouble(Exception):\n    pass\n",
    "whole.py": """\
from . import tools

def by_name(name):
    return getattr(tools, name)
""",
    "absolute.py": """\
import book
import book.tools
import book as b

def f(x):
    return book.public(x)

def g(x):
    return book.tools.turned(x)

def h(x):
    return b.tools.unused(x)
""",
    "star.py": "from .tools import *\n\ndef f(x):\n    return turned(x)\n",
    "registry.py": """\
NAMES = {}

def known(name):
    def note(f):
        NAMES[name] = f
        return f
    return note

@known('fog')
def fog(x):
    return 7

def ask(name):
    return NAMES[name]
""",
    "effects.py": """\
from . import lazy
TABLE = {}
for i in range(3):
    TABLE[i] = lazy.later(i)

def look(i):
    return TABLE[i]
""",
    "effects_user.py": "from .effects import look\n\ndef f(i):\n    return look(i)\n",
    "fallback.py": """\
try:
    from fast import quick
except ImportError:
    from .tools import turned as quick

def f(x):
    return quick(x)
""",
    "scopes.py": """\
from .tools import turned
from .tools import unused as x

def shadowed(turned):
    return turned + 1

def leaves(items):
    return [turned for turned in items], turned(1)

def nested():
    def inner():
        return turned(1)
    return inner

def local():
    x = 3
    return x

def first(items):
    return [x for x in x(items)]
""",
    "tables.py": """\
from pathlib import Path
FILE = Path(__file__).parent / 'data' / 'groups.csv'

def read():
    return FILE.read_text()

def read_all():
    return [path.read_text() for path in Path(__file__).parent.glob('data/?roups.csv')]
""",
    "data/groups.csv": "a,b\n1,2\n",
    "data/other.csv": "a,b\n",
    "dynamic.py": """\
from importlib import import_module

def load(name):
    return import_module(f'.{name}', __package__)
""",
    "tables_of_names.py": """\
NAMES = {}


def enter(name, function):
    NAMES[name] = function


def ask(name):
    return NAMES[name]
""",
    "entering.py": """\
from .tables_of_names import NAMES, ask, enter


def mist(x):
    return 9


def apart(x):
    return 1


def asking(name):
    return ask(name)


MORE = {}


def enter_both(table, name, function):
    enter(name, function)
    table[name] = function


def also(name):
    return MORE[name]


enter("mist", mist)
enter_both(MORE, "mist", mist)
NAMES["apart"] = apart
""",
    "settings.py": "import numpy as np\n\nnp.seterr(all='raise')\n\ndef f(x):\n    return 1 / x\n",
    "models/__init__.py": """\
from importlib import import_module

def load(name):
    return import_module(f'.{name}', __name__).run
""",
    "models/plain.py": "def run():\n    return 1\n",
    "raiser.py": """\
from .base.errors import Trouble

def f():
    raise Trouble('Expected' ' nothing.')
""",
}


def write(package: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return package


def subject(name: str) -> Callable:
    """What the library sees of a function or class: where it is defined."""

    def standing_for_it():
        raise NotImplementedError

    module, _, standing_for_it.__qualname__ = name.rpartition(".")
    standing_for_it.__module__ = f"book.{module}"
    return standing_for_it


def digest(package: Path, *names: str) -> str:
    return source_digest(*map(subject, names), package=package)


def edit(package: Path, file: str, old: str, new: str) -> None:
    text = (package / file).read_text()
    assert text.count(old) >= 1
    (package / file).write_text(text.replace(old, new))
