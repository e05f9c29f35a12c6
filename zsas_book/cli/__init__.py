"""The command ``zsas``: one file for each group of commands, thin over the functions of the library and the book."""

import errno
import os
import sys
from collections.abc import Sequence

FOLDERS = ("ZSAS_DATA", "ZSAS_RESULTS", "ZSAS_CACHE")


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point: errors of the two packages' own and of files end in one sentence and exit status 2."""
    try:
        from .commands import app
        from .run import paired

        for name in FOLDERS:  # pages run in the project's folder, whichever this one is
            if folder := os.environ.get(name):
                os.environ[name] = os.path.abspath(os.path.expanduser(folder))

        app(paired(sys.argv[1:] if arguments is None else arguments), prog_name="zsas")
    except Exception as error:
        if not isinstance(error, OSError) and type(error).__module__.partition(".")[0] not in ("zsas_lib", "zsas_book"):
            raise
        said = str(error)
        if isinstance(error, OSError) and error.strerror:  # as the system says it
            said = f"{error.strerror}{f' ({error.filename})' if error.filename else ''}."
        said = " ".join(said.split())
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            said += " What was being written is not whole: free some space, or name another place, and run it again."
        print(f"zsas: {said}", file=sys.stderr)
        raise SystemExit(2) from None
