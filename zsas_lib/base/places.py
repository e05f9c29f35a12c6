"""Of the user: name and home folder, which a user may lack, and own folders in the system's temporary folder."""

import getpass
import os
import stat
import tempfile
from pathlib import Path


def expanded(path: str | Path) -> Path:
    """A path with its ``~`` as the user's home folder; as it is where that, or the user it names, is not known."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def home() -> Path | None:
    """The user's home folder, None for a user without one."""
    try:
        return Path.home()
    except RuntimeError:
        return None


def name_user() -> None:
    """Give a user without a name one in LOGNAME: torch asks for it when it is imported, and fails where there is none.

    Such users are usual in containers, which are started with a number.
    """
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["LOGNAME"] = f"user{os.geteuid()}"


def private_folder(name: str) -> Path:
    """This user's own folder of this name in the system's temporary folder, where everybody may write; made if needed.

    It is known by the user's number, as not every user has a name. Raises PermissionError where it is a link, somebody
    else's, or open to others: they may have put there what they like.
    """
    folder = Path(tempfile.gettempdir(), f"{name}-{os.geteuid()}")
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        status = folder.lstat()
        if stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o077:
            return folder
        raise PermissionError(
            f"{folder} is not a folder of this user's own (a link, somebody else's, or open to others), so it is not "
            "used; remove it, or name another temporary folder in TMPDIR."
        ) from None
    return folder
