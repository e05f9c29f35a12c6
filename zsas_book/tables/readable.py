"""Tables of computed pages as they are read: names of rows in the head's one line, words for identifiers, no torn
numbers."""

import re

ROW = re.compile(r"<tr[^>]*>.*?</tr>", re.DOTALL)
CELL = re.compile(r"(<th[^>]*>)(.*?)(</th>)", re.DOTALL)
HEAD = re.compile(r"<thead>.*?</thead>", re.DOTALL)
BODY = re.compile(r"<tbody>.*?</tbody>", re.DOTALL)
WORDS = re.compile(r"(?<=>)[a-z]+(?:_[a-z]+)+(?=</t[hd]>)")
TORN = re.compile(r"(?<=\d) (?=± ?\d)|(?<=±) (?=\d)|(?<=\d) (?=\d{3}(?:\D|$))")


def readable(html: str) -> str:
    """The HTML of an output with its tables made readable; what is not a table stays.

    pandas writes the names of the index into a line of the head of their own: they move into the empty corner above it.
    Categories such as ``ceramic_ring`` become words in cells that hold nothing else. A number and its error, and the
    thousands of a number, are not torn apart at a line's end.
    """
    html = HEAD.sub(lambda found: _one_line(found[0]), html)
    return BODY.sub(lambda found: _whole(WORDS.sub(lambda name: name[0].replace("_", " "), found[0])), html)


def _one_line(head: str) -> str:
    rows = ROW.findall(head)
    if len(rows) < 2:
        return head
    above, names = ([_text(cell) for _, cell, _ in CELL.findall(row)] for row in rows[-2:])
    count = next((place for place, name in enumerate(names) if not name), len(names))
    if not count or any(names[count:]) or any(above[:count]):
        return head
    cells = iter(names[:count])
    filled = CELL.sub(lambda cell: cell[1] + next(cells) + cell[3], rows[-2], count=count)
    return head.replace(rows[-1], "").replace(rows[-2], filled)


def _whole(body: str) -> str:
    return re.sub(r">[^<>]+<", lambda text: TORN.sub("\N{NO-BREAK SPACE}", text[0]), body)


def _text(cell: str) -> str:
    return cell.replace("&nbsp;", " ").strip()
