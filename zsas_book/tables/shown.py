"""Tables as pages show them: words for identifiers, percent, errors beside their numbers, no number torn apart."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd
from pandas.io.formats.style import Styler

from ..escape import in_html
from ..labels import label

_Styler = Styler.from_custom_template(str(Path(__file__).parent), html_table="shown.html")
UNITS = ("%", "°", "degrees", "radians", "points?", "px", "pixels?", "ms", "s", "min", "h", "[kMG]B", "[GT]FLOP")
_TORN = re.compile(rf"(?<=\d) (?=± ?\d|(?:{'|'.join(UNITS)})(?!\w))|(?<=±) (?=\d)|(?<=\d) (?=\d{{3}}(?!\d))")


def shown(
    frame: pd.DataFrame,
    *,
    percent: bool | Sequence[object] = False,
    errors: pd.DataFrame | None = None,
    formats: Mapping[object, str | Callable[[object], str]] | None = None,
    precision: int = 1,
    na_rep: str = "",
    index: bool = True,
) -> Styler:
    """The table as a page shows it; the frame itself stays as it is.

    * Headings, names of rows and text that are identifiers become words (`zsas_book.labels.label`): metrics and models
      by the labels of their registries, ``ceramic_ring`` as "ceramic ring". All text shows its own letters: what looks
      like HTML or like a formula between dollars is none.
    * Floats have ``precision`` decimals. ``percent`` multiplies by 100: True all columns of floats, or those named.
    * ``errors`` has the frame's rows and all or some of its columns, in the same unit: these cells read "93.1 ± 0.4",
      without the error where it is missing.
    * ``formats`` gives columns a format of their own, such as ``{"gain": "{:+z.1f}", "at": "{:.3g}"}``, their errors
      included (without a plus), after ``percent``.
    * ``na_rep`` stands for what is missing. ``index=False`` hides the names of the rows.

    A number is not torn from its error, its unit, or its own thousands at a line's end. The names of the index stand in
    the same line as the headings. Returns pandas' Styler, to which more can be done. Raises ValueError for columns that
    the frame lacks and for errors with other rows than its own.
    """
    errors = pd.DataFrame(index=frame.index) if errors is None else errors
    formats = dict(formats or {})
    floats = [column for column, kind in frame.dtypes.items() if pd.api.types.is_float_dtype(kind)]
    scaled = (floats if percent else []) if isinstance(percent, bool) else list(percent)
    for what, columns in (("percent", scaled), ("errors", list(errors)), ("formats", list(formats))):
        if lacking := [column for column in columns if column not in frame]:
            raise ValueError(
                f"{what} names {', '.join(map(repr, lacking))}, but the table's columns are "
                f"{', '.join(map(repr, frame))}."
            )
    if not errors.index.equals(frame.index):
        raise ValueError(
            f"Expected errors with the table's rows {list(frame.index)}, got {list(errors.index)}; reindex them first."
        )
    cells = {}
    for place, column in enumerate(frame):
        factor = 100 if column in scaled else 1
        form = _formatter(formats.get(column), precision, na_rep)
        beside = errors[column] if column in errors else [float("nan")] * len(frame)
        cells[place] = [
            _with_error(_scaled(value, factor), _scaled(error, factor), form)
            for value, error in zip(frame.iloc[:, place], beside, strict=True)
        ]
    words = pd.DataFrame(cells, index=frame.index).set_axis(frame.columns, axis=1)
    styler = _Styler(words).format(_plain)
    for axis in (0, 1):
        labels = frame.axes[axis]
        for level in range(labels.nlevels):
            styler.format_index(_named, axis=axis, level=level)
            if labels.names[level] is not None:
                styler.format_index_names(_named, axis=axis, level=level)
    return styler if index else styler.hide(axis="index")


def _scaled(value: object, factor: int) -> object:
    return value if factor == 1 or pd.isna(value) else factor * value


def _formatter(form: str | Callable[[object], str] | None, precision: int, na_rep: str) -> Callable[[object], str]:
    def formatted(value: object) -> str:
        if pd.api.types.is_scalar(value) and pd.isna(value):
            return na_rep
        if form is not None:
            return form(value) if callable(form) else form.format(value)
        if isinstance(value, str):
            return label(value)
        return f"{value:z.{precision}f}" if pd.api.types.is_float(value) else str(value)

    return formatted


def _with_error(value: object, error: object, form: Callable[[object], str]) -> str:
    return form(value) if pd.isna(error) or pd.isna(value) else f"{form(value)} ± {form(error).removeprefix('+')}"


def _named(name: object) -> str:
    return _plain(label(name) if isinstance(name, str) else f"{name:g}" if isinstance(name, float) else str(name))


def _plain(text: str) -> str:
    """Text as HTML that shows its letters, with no number torn apart."""
    return in_html(_TORN.sub("\N{NO-BREAK SPACE}", text))
