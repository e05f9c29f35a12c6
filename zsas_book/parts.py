"""What of an extra of ``zsas-lib`` is not installed, said in one sentence: each room names what it stands on."""

from importlib.util import find_spec

INSTALL = 'pip install "zsas-lib[{}]"'


class MissingPartError(ModuleNotFoundError):
    """Packages that the book needs and that are not installed. The message names them and what to install."""


def require(*modules: str, extra: str = "book") -> None:
    """Raises MissingPartError where one of these top-level modules, which ``extra`` has, is not installed; none of them
    is imported."""
    missing = [name for name in modules if not _is_there(name)]
    if missing:
        needed = f"{', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed here"
        raise MissingPartError(f"The book needs {needed}: {INSTALL.format(extra)}", name=missing[0])


def _is_there(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ImportError:  # a finder that refuses it
        return False
