"""YAML in which a word stays the word that was written: the reader of ``chapters.yaml``.

PyYAML follows YAML 1.1, where ``01`` is an octal number, ``12:30`` one of base sixty, ``no`` is False, ``2024-01-01`` a
date, and the last of two equal keys wins without a word. Here scalars are read by the core schema of YAML 1.2 (true,
false, null and decimal numbers without leading zeros; all else is text, for whoever knows its type to read), keys are
text, and no key stands twice.
"""

import re
from pathlib import Path

import yaml

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same in C where PyYAML has it
SCALARS = {
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    "int": (r"[-+]?(?:0|[1-9][0-9]*)", "-+0123456789"),
    "float": (
        r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+.0123456789",
    ),
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "merge": (r"<<", "<"),
}


class YamlError(ValueError):
    """A file that is no YAML, or has a key twice or one that is no text. The message names the file and the line."""


class _Refusal(yaml.MarkedYAMLError):
    """What YAML allows and this reader does not."""


class _PlainLoader(LOADER):
    yaml_implicit_resolvers = {}

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        first: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if key.tag == "tag:yaml.org,2002:merge":
                continue
            if key.tag != "tag:yaml.org,2002:str":
                raise _Refusal(problem="a key that is no text; write it in quotes", problem_mark=key.start_mark)
            if key.value in first:
                problem = f"{key.value!r} stands twice, first in line {first[key.value]}; leave one of them"
                raise _Refusal(problem=problem, problem_mark=key.start_mark)
            first[key.value] = line
        return super().construct_mapping(node, deep)


for _name, (_pattern, _first) in SCALARS.items():
    _PlainLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", re.compile(rf"(?:{_pattern})$"), list(_first))


def read_yaml(path: Path) -> object:
    """What a YAML file says, in UTF-8 or UTF-16. Raises YamlError, and OSError for a file that cannot be read."""
    try:
        return yaml.load(path.read_bytes(), Loader=_PlainLoader)
    except _Refusal as error:
        raise YamlError(f"{path}, line {error.problem_mark.line + 1}: {error.problem}.") from None
    except yaml.MarkedYAMLError as error:
        place = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        words = " ".join(filter(None, [error.context, error.problem]))
        raise YamlError(f"{path} is not YAML{place}: {words}.") from None
    except yaml.YAMLError as error:
        raise YamlError(f"{path} is not YAML in UTF-8: {' '.join(str(error).split())}") from None
