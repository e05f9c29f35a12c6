import math
import shlex
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mini_project import REPOSITORY
from nbformat.v4 import new_code_cell, new_notebook
from papermill.cli import papermill

from zsas_book.project.parameters import ParameterError, read_parameters, resolve
from zsas_book.project.written import papermill_options, parameters_source, parameters_table
from zsas_lib.base.errors import UnknownNameError
from zsas_lib.data.embedded.factors import FACTORS
from zsas_lib.data.registry import DATASETS
from zsas_lib.models import list_models, list_trivial_maps
from zsas_lib.training.zoo.recipes import RECIPES

SOURCE = """\
# A comment of its own is no parameter's help.
steps: int = 9  # how many (1 to 90)
rate: float = 1  # step size (at least 0)
shift: float = 0.0  # turn (-180 to 180 degrees)
kind: str = "hue"  # which shift (one of: hue, saturation)
quick: bool = False
values: list[float] = [0, 5.5]  # angles (at most 90)
names: list[str] = []  # categories, all where empty
data_root: str = None  # folder of the data set
"""

OF_EVALUATE = ["aupro", "aupro_200", "image_ap", "image_auroc", "image_f1_max", "pixel_ap", "pixel_auroc"]
OF_EVALUATE += ["pixel_f1_max", "pixel_iou"]


def notebook(source: str = SOURCE):
    made = new_notebook(cells=[new_code_cell("import os"), new_code_cell(source, metadata={"tags": ["parameters"]})])
    made.metadata.kernelspec = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return made


def value(**given):
    (name,) = given
    return resolve(read_parameters(notebook()), given)[name]


def test_declarations_are_read_in_order():
    parameters = read_parameters(notebook())
    assert [(p.name, p.type) for p in parameters] == [
        ("steps", "int"),
        ("rate", "float"),
        ("shift", "float"),
        ("kind", "str"),
        ("quick", "bool"),
        ("values", "list[float]"),
        ("names", "list[str]"),
        ("data_root", "str | None"),
    ]
    steps, rate, shift, kind, quick, values, names, _ = parameters
    assert (steps.help, steps.low, steps.high) == ("how many (1 to 90)", 1, 90)
    assert (rate.default, type(rate.default), rate.low) == (1.0, float, 0)
    assert (shift.low, shift.high) == (-180, 180)
    assert kind.choices == ("hue", "saturation")
    assert quick.help == ""
    assert (values.default, values.high) == ([0.0, 5.5], 90)
    assert names.default == []


def test_without_a_parameters_cell_there_are_none():
    assert read_parameters(new_notebook(cells=[new_code_cell("x: int = 1")])) == ()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("steps = 9", "got `steps = 9`"),
        ("steps: int", "got `steps: int`"),
        ("import os", "got `import os`"),
        ("steps: tuple = (1, 2)", "unknown type"),
        ("steps: list = [1]", "unknown type"),
        ("steps: dict[str] = {}", "unknown type"),
        ("steps: int = 3 * 3", "written out"),
        ("steps: int = 'nine'", "takes int; got 'nine'"),
        ("steps: int = True", "takes int; got True"),
        ("steps: int = 0  # how many (1 to 9)", "takes int from 1 to 9; got 0"),
        ("kind: str = 'tint'  # which (one of: hue, saturation)", "one of hue, saturation; got 'tint'"),
        (
            "data: str = 'mvtec'  # which (a data sett)",
            "ends in what no registry has, (data sett); expected a str, and",
        ),
        ("data: int = 1  # which (a data set)", "ends in what no registry has, (data set); expected a str"),
    ],
)
def test_a_wrong_declaration_is_refused(source, message):
    with pytest.raises(ParameterError) as raised:
        read_parameters(notebook(source))
    assert message in str(raised.value)


def test_a_misspelt_name_is_refused_with_the_closest_one():
    with pytest.raises(UnknownNameError, match="Unknown parameter 'stepz'.*Did you mean 'steps'"):
        value(stepz=3)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"steps": "12"}, 12),
        ({"steps": "-0x1"}, ParameterError),
        ({"steps": "1e1"}, ParameterError),
        ({"steps": "12.0"}, ParameterError),
        ({"steps": 12.0}, ParameterError),
        ({"steps": True}, ParameterError),
        ({"steps": "True"}, ParameterError),
        ({"steps": None}, ParameterError),
        ({"steps": 91}, ParameterError),
        ({"steps": [1]}, ParameterError),
        ({"rate": "1e-4"}, 1e-4),
        ({"rate": 2}, 2.0),
        ({"rate": "nan"}, ParameterError),
        ({"rate": "inf"}, ParameterError),
        ({"rate": "-1"}, ParameterError),
        ({"rate": "fast"}, ParameterError),
        ({"quick": "true"}, True),
        ({"quick": "False"}, False),
        ({"quick": "1"}, ParameterError),
        ({"quick": 1}, ParameterError),
        ({"kind": "saturation"}, "saturation"),
        ({"kind": "rotation"}, ParameterError),
        ({"kind": "None"}, ParameterError),
        ({"values": "[0, 1e-3]"}, [0.0, 1e-3]),
        ({"values": "0,30"}, [0.0, 30.0]),
        ({"values": "7"}, [7.0]),
        ({"values": "[]"}, ParameterError),
        ({"values": ""}, ParameterError),
        ({"values": [0, 5, 0.0]}, ParameterError),
        ({"names": ""}, []),
        ({"names": "a, b, a"}, ParameterError),
        ({"values": ["1e-4", 3]}, [1e-4, 3.0]),
        ({"values": [0, 91]}, ParameterError),
        ({"values": 5}, ParameterError),
        ({"names": "['red disc', \"bolt\"]"}, ["red disc", "bolt"]),
        ({"names": [1]}, ParameterError),
        ({"data_root": "None"}, None),
        ({"data_root": None}, None),
        ({"data_root": "007"}, "007"),
        ({"data_root": 7}, ParameterError),
    ],
)
def test_values_are_coerced_by_the_declared_type(given, expected):
    if expected is ParameterError:
        (name,) = given
        with pytest.raises(ParameterError, match=f"Parameter '{name}' takes .*; got .* Its default is"):
            value(**given)
    else:
        came = value(**given)
        assert came == expected
        assert type(came) is type(expected)


@pytest.mark.parametrize(
    ("kind", "good", "bad", "known"),
    [
        (
            "data set",
            "folder",
            "cups",
            "mvtec, visa, btad, mpdd, mvtec-loco, mvtec-3d, folder, embedded-a, embedded-b, embedded-c, embedded-d",
        ),
        (
            "data set with an auxiliary one",
            "visa",
            "folder",
            "mvtec, visa, btad, mpdd, mvtec-loco, mvtec-3d, embedded-a, embedded-b, embedded-c, embedded-d",
        ),
        (
            "data set that names its defects",
            "folder",
            "visa",
            "mvtec, btad, mpdd, mvtec-loco, mvtec-3d, folder, embedded-b, embedded-d",
        ),
        ("embedded data set", "embedded-a", "mvtec", "embedded-a, embedded-b, embedded-c, embedded-d"),
        ("model", "winclip", "gpt-clip", ", ".join(list_models())),
        (
            "model that learns nothing",
            "median-colour",
            "vcpclip",
            ", ".join(sorted([*list_trivial_maps(), "anovl", "clip", "winclip"])),
        ),
        (
            "model with a backbone",
            "winclip",
            "local-contrast",
            "aa-clip, adaclip, af-clip, anomalyclip, anovl, april-gan, clip, coop, vcpclip, vcpclip+, winclip",
        ),
        (
            "model that learns",
            "vcpclip+",
            "winclip",
            "aa-clip, adaclip, af-clip, anomalyclip, april-gan, coop, vcpclip, vcpclip+",
        ),
        ("perturbation", "hue", "tint", "rotation, hue, saturation"),
        ("metric", "aupro", "auroc", ", ".join(sorted(OF_EVALUATE))),
        ("visual factor", "lighting", "light", ", ".join(FACTORS)),
        ("member of the zoo", "reference", "referense", ", ".join(RECIPES)),
        ("set of sentences", "one pair", "two pairs", "all, one article, one template, no template, one pair"),
        (
            "second training",
            "hard patches",
            "hard patch",
            "plain, hard pictures, hard patches, others as often, twice as long",
        ),
    ],
)
def test_names_are_those_that_the_registries_have(kind, good, bad, known):
    (one,) = read_parameters(notebook(f"what: str = None  # which (a {kind})"))
    other = next(name for name in reversed(one.names) if name != good)
    assert one.coerce(good) == good and one.coerce("None") is None
    with pytest.raises(ParameterError) as raised:
        one.coerce(bad)
    meant = f" (a {kind})" if " with " in kind or " that " in kind else ""  # else the names say it
    assert f"takes str | None, one of {known}{meant}; got {bad!r}" in str(raised.value)
    (several,) = read_parameters(notebook(f'what: list[str] = ["{good}"]  # which (a {kind})'))
    assert several.coerce(f"{good},{other}") == [good, other]
    with pytest.raises(ParameterError, match="takes list"):
        several.coerce([good, bad])


def test_a_misspelt_value_is_refused_with_the_closest_one():
    (one,) = read_parameters(notebook('model: str = "winclip"  # its name (a model)'))
    with pytest.raises(ParameterError, match=r"got 'wincip' \(str\)\. .* Did you mean 'winclip'\?$"):
        one.coerce("wincip")
    with pytest.raises(ParameterError, match=r"Did you mean 'saturation'\?$"):
        value(kind="saturaton")
    with pytest.raises(ParameterError) as raised:
        value(kind="xyz")
    assert "Did you mean" not in str(raised.value)


def test_what_is_above_a_number_is_not_that_number():
    source = "rate: float = None  # of Adam (above 0, at most 1)\nheat: list[float] = [0.1]  # fixed (above 0)"
    rate, heat = read_parameters(notebook(source))
    assert (rate.allowed, heat.allowed) == ("float | None above 0, at most 1", "list[float] above 0")
    assert [rate.coerce(given) for given in ("1e-4", 1, None)] == [1e-4, 1.0, None]
    assert heat.coerce("0.01, 7") == [0.01, 7.0]
    for parameter, refused in ((rate, (0, -1e-3, 1.5, math.nan)), (heat, ([0.1, 0], [-1], [math.inf]))):
        for number in refused:
            with pytest.raises(ParameterError, match=f"Parameter '{parameter.name}' takes .* above 0"):
                parameter.coerce(number)


def test_what_is_twice_or_nothing_is_named():
    with pytest.raises(ParameterError, match=r"Parameter 'values' .* It has 5\.5 more than once"):
        value(values=[5.5, 0, 5.5])
    with pytest.raises(ParameterError, match=r"Parameter 'values' takes .* Give at least one\.$"):
        value(values=[])


def test_lists_may_be_empty_where_their_help_says_so_and_places_may_be_the_same():
    source = 'seen: list[str] = ["fog"]  # that are met, or none (a corruption)\nplaces: list[str] = None  # (a folder)'
    seen, places = read_parameters(notebook(source))
    assert seen.coerce("") == [] and places.coerce("/data, /data") == ["/data", "/data"]


def test_a_data_set_that_is_added_is_taken_without_another_word(monkeypatch):
    (one,) = read_parameters(notebook('what: str = "mvtec"  # which (a data set)'))
    monkeypatch.setitem(DATASETS, "cups", DATASETS["folder"])
    assert one.coerce("cups") == "cups"


@pytest.mark.parametrize("path", sorted((REPOSITORY / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_defaults_of_every_chapter_are_names_that_are_known(path):
    for parameter in read_parameters(nbformat.read(path, as_version=4)):
        assert parameter.check(parameter.default) == parameter.default


@pytest.mark.slow
def test_declarations_and_names_are_read_without_torch():
    script = (
        "import sys, nbformat; from zsas_book.project.parameters import read_parameters, resolve\n"
        "for page in sys.argv[1:]: declared = read_parameters(nbformat.read(page, as_version=4))\n"
        "resolve(declared, {'dataset': 'visa'}); assert 'torch' not in sys.modules"
    )
    pages = [str(REPOSITORY / "notebooks" / f"{name}.ipynb") for name in ("worst_case_learned", "uniform_sweep")]
    ran = subprocess.run([sys.executable, "-c", script, *pages], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


def test_the_source_with_values_declares_the_same_parameters():
    parameters = read_parameters(notebook())
    values = resolve(parameters, {"steps": 3, "values": [1.5], "data_root": "/data", "kind": "saturation"})
    again = read_parameters(notebook(parameters_source(parameters, values)))
    assert [(p.name, p.default, p.help, p.low, p.high, p.choices) for p in again] == [
        (p.name, values[p.name], p.help, p.low, p.high, p.choices) for p in parameters
    ]


def test_the_table_has_one_row_per_parameter_and_stresses_what_differs():
    parameters = read_parameters(notebook())
    rows = parameters_table(parameters, resolve(parameters, {"steps": 3})).splitlines()
    assert len(rows) == 2 + len(parameters)
    assert rows[2] == "| `steps` | `int` | `9` | **`3`** | how many (1 to 90) |"
    assert rows[3].startswith("| `rate` | `float` | `1.0` | `1.0` |")
    assert r"`str \| None`" in rows[-1]


NAMES = st.text("ab 17.-e'\"$[]{}:,#\\", max_size=8)


@pytest.mark.slow
@settings(deadline=None, max_examples=25)
@given(
    steps=st.integers(1, 90),
    rate=st.floats(0, 1e9),
    quick=st.booleans(),
    values=st.lists(st.floats(-1e6, 90), min_size=1, max_size=3, unique=True),
    data_root=st.one_of(st.none(), NAMES, st.sampled_from(["True", "None", "1e5", "007", "1_000", "nan", "-x"])),
)
def test_plain_papermill_reads_the_printed_options_as_meant(steps, rate, quick, values, data_root):
    wanted = {"steps": steps, "rate": rate, "quick": quick, "values": values, "data_root": data_root}
    parameters = read_parameters(notebook())
    resolved = resolve(parameters, wanted)
    with TemporaryDirectory() as folder:
        source, output = Path(folder, "in.ipynb"), Path(folder, "out.ipynb")
        nbformat.write(notebook(), source)
        options = shlex.split(papermill_options(parameters, resolved))
        papermill.main([str(source), str(output), "--prepare-only", *options], standalone_mode=False)
        executed = {}
        for cell in nbformat.read(output, as_version=4).cells[1:]:
            exec(cell.source, executed)
    assert {name: executed[name] for name in resolved} == resolved
