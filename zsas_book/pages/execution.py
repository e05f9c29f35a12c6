"""Running a notebook to its end: papermill, this environment's own kernel, and one sentence when it fails."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import nbformat
import papermill
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from papermill.engines import NBClientEngine, NotebookExecutionManager, papermill_engines
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from ..machine.warm import KILLED, command
from ..project.notebooks import KERNEL
from ..provenance import watch_packages
from .kernels import PromptManager

FILES_VARIABLE = "ZSAS_PAGE_FILES"
START_TIMEOUT_S = 180
ANSI = re.compile(r"\x1b\[[0-9;]*m")
PROGRESS = {"bar_format": "{desc}: cell {n_fmt} of {total_fmt}, {elapsed}", "mininterval": 1, "disable": False}
KERNEL_CONFIGURATION = f"""\
c.IPKernelApp.log_level = "CRITICAL"
c.HistoryManager.enabled = False
c.IPKernelApp.exec_lines = [
    "from {watch_packages.__module__} import watch_packages",
    "watch_packages(); del watch_packages",
]
"""


class WritesSeldom(NBClientEngine):
    """papermill's own engine, but it checks and writes the notebook when it begins and when it ends, however that is,
    and not before and after each cell: that takes longer than most cells."""

    @classmethod
    def execute_managed_notebook(cls, nb_man: NotebookExecutionManager, kernel_name: str, **options) -> None:
        output, nb_man.output_path = nb_man.output_path, None
        try:
            super().execute_managed_notebook(nb_man, kernel_name, **options)
        finally:
            nb_man.output_path = output


papermill_engines.register(WritesSeldom.__name__, WritesSeldom)


class PageError(RuntimeError):
    """A notebook that did not run to its end. The message names notebook, cell, cause and log; nothing is published."""


def run_notebook(
    notebook: NotebookNode, name: str, *, root: Path, work: Path, files: Path, log: Path, cell_timeout: int
) -> NotebookNode:
    """The executed notebook. It runs in the folder `root`; its cells may save into `files`; `work` is this run's own.

    Raises PageError, naming `name`, when a cell fails, takes longer than `cell_timeout` seconds or is never reached;
    the trace is then in `log`.
    """
    source, result = work / "source.ipynb", work / "executed.ipynb"
    nbformat.write(notebook, source)

    def failure(where: str, cell: str, cause: str, trace: str = "") -> PageError:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(f"{name}, {where}:\n\n{cell}\n\n{ANSI.sub('', trace) or cause}\n", encoding="utf-8")
        line = _failing_line(cell, ANSI.sub("", trace))
        return PageError(f"{name} failed in {where}, `{line}`: {' '.join(cause.split())} Log: {log}")

    with _kernel_environment(work, files):
        try:
            executed = papermill.execute_notebook(
                source,
                result,
                engine_name=WritesSeldom.__name__,
                kernel_name=KERNEL,
                cwd=root,
                start_timeout=START_TIMEOUT_S,
                execution_timeout=cell_timeout,
                kernel_manager_class=f"{PromptManager.__module__}.{PromptManager.__name__}",
                config=Config({"ConnectionFileMixin": {"connection_file": str(work / "kernel" / "connection.json")}}),
                progress_bar={"desc": f"  {Path(name).stem}", **PROGRESS},
            )
        except PapermillExecutionError as error:
            cause = f"{error.ename}: {error.evalue}" if error.evalue else error.ename
            raise failure(f"In [{error.exec_count}]", error.source, cause, "\n".join(error.traceback)) from None
        except (CellTimeoutError, DeadKernelError) as error:
            reached = nbformat.read(result, as_version=4).cells
            cell = [cell for cell in reached if cell.metadata.papermill.start_time][-1]
            cause, trace = f"{error}: {KILLED}", ""
            if isinstance(error, CellTimeoutError):
                cause, trace = f"no end after {cell_timeout} s", str(error)
            raise failure("a cell that did not end", cell.source, cause, trace) from None
    for cell in executed.cells:
        if cell.cell_type == "code" and cell.source.strip() and cell.execution_count is None:
            raise failure("a cell that was never reached", cell.source, "the kernel exited before it")
    return executed


def _failing_line(cell: str, trace: str) -> str:
    """The line of a cell at which it failed, as IPython's trace says; its first one where that does not tell."""
    told = re.search(r"Cell In\[\d+\], line (\d+).*?^-+> \1 (.*?)$", trace, re.DOTALL | re.MULTILINE)
    return told[2].strip() if told else next((line for line in cell.splitlines() if line.strip()), "")


@contextmanager
def _kernel_environment(work: Path, files: Path) -> Iterator[None]:
    """What the kernel inherits: this environment's own python3, nothing of the user's IPython, and `files`."""
    profile = work / "ipython" / "profile_default"
    profile.mkdir(parents=True)
    (profile / "ipython_kernel_config.py").write_text(KERNEL_CONFIGURATION)
    specification = work / "jupyter" / "kernels" / KERNEL / "kernel.json"
    specification.parent.mkdir(parents=True)
    (work / "kernel").mkdir()
    argv = [*command("ipykernel_launcher"), "-f", "{connection_file}"]
    specification.write_text(json.dumps({"argv": argv, "display_name": KERNEL, "language": "python"}))
    wanted = {
        FILES_VARIABLE: str(files),
        "IPYTHONDIR": str(work / "ipython"),
        "JUPYTER_PATH": str(work / "jupyter"),
        "JUPYTER_PREFER_ENV_PATH": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "TQDM_DISABLE": "1",
    }
    with patch.dict(os.environ, wanted):
        yield
