"""What a notebook's numbers come from: recorded by its last cell, shown as a table, and kept machine-readable."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from zsas_lib.base import ledger
from zsas_lib.base.digests import PACKAGE
from zsas_lib.base.surroundings import commit, device_of, digest_of_lines, library_files, versions

from .escape import in_markdown

PACKAGES = ("zsas_lib", "zsas_book")
RECORD_TYPE = "application/vnd.zsas.record+json"


@dataclass(frozen=True)
class Record:
    """What `record` found out; a notebook shows it as a table, and carries `facts` as JSON in the same output."""

    facts: Mapping[str, object]

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        return {RECORD_TYPE: self.facts, "text/markdown": record_table(self.facts), "text/plain": repr(self)}


def watch_packages() -> None:
    """From now on, note which data files of the two packages this process opens, for `record`."""
    ledger.watch_files(*(PACKAGE.parent / name for name in PACKAGES))


def record(**subjects: object) -> Record:
    """What this notebook's numbers come from; a notebook's last line: ``record(dataset=dataset, model=model)``.

    Each subject is a data set, a model, a backbone, or a plain fact that JSON can hold, under whatever name the table
    shall show. The commit, the library files loaded so far, the device and the versions are found out here. Without
    git the commit is "unknown"; nothing else is needed either, so this works wherever the notebook runs.
    """
    files = library_files(PACKAGES)
    return Record(
        {
            "commit": commit(),
            "library": {
                "digest": digest_of_lines(f"{name} {digest}" for name, digest in files.items()),
                "files": files,
            },
            "subjects": {name: _describe(subject) for name, subject in subjects.items()},
            "weights": dict(ledger.weights_read),
            "results": _where_made(ledger.results_used.values()),
            "device": device_of(subjects.values()),
            "versions": versions(),
        }
    )


def record_table(facts: Mapping[str, object]) -> str:
    """The Markdown table that stands for recorded `facts` on a page."""
    rows = [("commit", f"`{facts['commit']}`"), ("library", _short(facts["library"]["digest"]))]
    rows += [(in_markdown(name), _in_words(described)) for name, described in facts["subjects"].items()]
    rows += [
        (
            "results",
            f"{made['count']} made on {in_markdown(made['device'])} at commit `{made['commit']}`, {made['days']}",
        )
        for made in facts.get("results", ())
    ]
    rows += [
        ("device", in_markdown(facts["device"])),
        ("versions", ", ".join(f"{k} {v}" for k, v in facts["versions"].items())),
    ]
    rows += [(name, facts[name]) for name in ("computed", "duration") if name in facts]
    return "\n".join(["| what | which |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def _where_made(results: Iterable[Mapping[str, object]]) -> list[dict[str, object]]:
    """One entry for each device and commit that stored results were made with, most results first."""
    groups: dict[tuple, list[str]] = {}
    for made in results:
        groups.setdefault((made["device"], made["commit"]), []).append(str(made["created"])[:10])
    entries = [
        {"count": len(days), "device": device, "commit": commit, "days": " to ".join(sorted({min(days), max(days)}))}
        for (device, commit), days in groups.items()
    ]
    return sorted(entries, key=lambda entry: -entry["count"])


def _describe(subject: object) -> object:
    if hasattr(subject, "records") and hasattr(subject, "digest"):
        described = {"data set": subject.name, "pictures": len(subject), "categories": list(subject.categories)}
        return described | {"root": str(subject.root), "digest": subject.digest}
    if hasattr(subject, "backbone"):
        described = {"model": subject.name, "options": dict(subject.options)}
        return described if subject.backbone is None else described | {"backbone": _describe(subject.backbone)}
    if hasattr(subject, "embed_dim") and hasattr(subject, "digest"):
        described = {"backbone": subject.name, "precision": subject.precision}
        return described | {"image size": subject.image_size, "digest": subject.digest}
    return subject


def _in_words(described: object) -> str:
    if not isinstance(described, Mapping):
        return in_markdown(str(described))
    parts = []
    for name, value in described.items():
        if name == "root" or value in ({}, []):
            continue
        if name == "digest":
            parts.append(_short(value))
        elif isinstance(value, Mapping):
            parts.append(_in_words(value) if name == "backbone" else f"{in_markdown(str(name))} {_in_words(value)}")
        elif name == "categories":
            parts.append("1 category" if len(value) == 1 else f"{len(value)} categories")
        else:
            parts.append(in_markdown(f"{name} {value}"))
    return ", ".join(parts)


def _short(digest: str) -> str:
    return f"`sha256:{digest[:12]}`"
