"""The command line as its users see it. zsas_lib must not be imported here (see the conftest.py above)."""

import pytest
from mini_project import REPOSITORY


@pytest.fixture
def zsas(monkeypatch, capsys):
    """Run the command line in the repository; returns exit status, standard output and standard error."""
    from zsas_book import cli

    monkeypatch.chdir(REPOSITORY)

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            cli.main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return ended.value.code or 0, printed.out, printed.err

    return run
