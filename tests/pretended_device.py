"""A pretended accelerator: tensors that say they lie on another device, refuse what CUDA refuses, and count what the
host waits for. Numbers are computed on the CPU. zsas_lib must not be imported here (see conftest.py).

It is torch's own place for devices of others, "PrivateUse1", under another name: ``tensor.to("pretended")``,
``torch.zeros(2, device="pretended")`` and modules move as they do to a GPU, and autograd runs in a thread of the
device. As on a GPU

* a tensor of the CPU and one of the device do not meet in an operation, but for a single number of the CPU in an
  elementwise one, and the CPU's indices in ``tensor[index]``, which are moved at a wait;
* a generator of the CPU draws nothing on the device, and what the device draws is another stream of numbers;
* `numpy` refuses;
* the host waits where it reads a value (`item`, `tolist`, truth, printing, `cpu`), where a size depends on values
  (`nonzero`, masks as indices), and where numbers are copied to the device without ``non_blocking``.

Autograd makes its threads at the first backward pass of a process, so this must be imported before: at the top of a
test's file, which pytest reads before it runs anything.
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch
from torch.utils.backend_registration import _DummyPrivateUse1Hook, _setup_privateuseone_for_python_backend

NAME = "pretended"
torch.utils.rename_privateuse1_backend(NAME)
DEVICE = torch.device(NAME, 0)
aten = torch.ops.aten

COPIES = (aten.copy_.default, aten._to_copy.default)
READ = (aten._local_scalar_dense.default, aten.equal.default)
SIZED_BY_VALUES = ("nonzero", "masked_select", "_unique2", "unique_dim", "unique_consecutive", "bincount")
TAKES_A_NUMBER_OF_THE_CPU = ("fill_", "masked_fill", "masked_fill_", "index_put", "index_put_", "index_fill")

_counted: list[list[str]] = []


@contextmanager
def host_waits() -> Iterator[list[str]]:
    """What the host waits for until the block ends: one line each, the operation and the line of the library."""
    _counted.append(found := [])
    try:
        yield found
    finally:
        _counted.remove(found)


class PretendedTensor(torch.Tensor):
    """A tensor on the device; ``inner`` has its numbers, on the CPU."""

    inner: torch.Tensor

    @staticmethod
    def __new__(cls, inner: torch.Tensor) -> "PretendedTensor":
        inner = inner.resolve_conj().resolve_neg()  # a wrapper's operations do not see these bits of what is inside
        made = torch.Tensor._make_wrapper_subclass(
            cls,
            inner.shape,
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device=DEVICE,
        )
        made.inner = inner
        return made

    @classmethod
    def __torch_dispatch__(cls, operation, types, arguments=(), options=None):
        return _run(operation, arguments, options or {})

    def numpy(self, *, force: bool = False):
        if not force:
            raise TypeError(
                f"can't convert {self.device} device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host "
                "memory first."
            )
        return self.detach().cpu().numpy()

    def tolist(self):
        return self.detach().cpu().tolist()

    def __format__(self, form: str) -> str:
        return format(self.item(), form) if self.ndim == 0 else super().__format__(form)

    def untyped_storage(self):
        return self.inner.untyped_storage()

    def __repr__(self, *, tensor_contents=None) -> str:
        return f"{self.detach().cpu()!r} on {self.device}"

    def __reduce_ex__(self, protocol):
        """As a tensor of the CPU, which is what ``torch.load(..., map_location="cpu")`` makes of any."""
        return self.detach().cpu().__reduce_ex__(protocol)


class _Module:
    """What torch asks of ``torch.pretended``."""

    def __init__(self):
        self.generator = torch.Generator()

    def is_initialized(self) -> bool:
        return True

    def is_available(self) -> bool:
        return True

    def _is_in_bad_fork(self) -> bool:
        return False

    def current_device(self) -> int:
        return 0

    def device_count(self) -> int:
        return 1

    def manual_seed_all(self, seed: int) -> None:
        self.generator.manual_seed(seed + 1)

    def get_rng_state(self, device=None) -> torch.Tensor:
        return self.generator.get_state()

    def set_rng_state(self, state: torch.Tensor, device=None) -> None:
        self.generator.set_state(state)

    def synchronize(self, device=None) -> None:
        _waited("synchronize")


class _Hook(_DummyPrivateUse1Hook):
    """Not offered as this machine's accelerator: other tests in the process see none."""

    def is_available(self) -> bool:
        return False


def _run(operation, arguments, options):
    if operation in COPIES:
        return _copied(operation, arguments, options)
    known, given = _known(operation), _leaves(arguments, options)
    tensors = [leaf for leaf in given if isinstance(leaf, torch.Tensor)]
    here = [tensor for tensor in tensors if isinstance(tensor, PretendedTensor)]
    if len(here) < len(tensors):
        _refuse_mixed(operation, arguments, [tensor for tensor in tensors if not isinstance(tensor, PretendedTensor)])
    _refuse_generators(given)
    _count(operation, known.name, arguments)
    inside, options = _inside(arguments), {name: _inside(value) for name, value in options.items()}
    if "device" in options:
        options["device"] = torch.device("cpu")
    if known.draws:
        options["generator"] = MODULE.generator
    elif operation is aten.native_dropout.default:
        return _dropped(*inside)
    found = operation(*inside, **options)
    written = {id(tensor.inner): tensor for tensor in here} if known.writes else {}
    return tuple(_wrapped(each, written) for each in found) if type(found) is tuple else _wrapped(found, written)


class _Known(NamedTuple):
    """What is always so of an operation."""

    name: str
    writes: bool
    draws: bool


@cache
def _known(operation) -> _Known:
    schema = operation._schema
    draws = torch.Tag.nondeterministic_seeded in operation.tags and "generator" in {
        own.name for own in schema.arguments
    }
    return _Known(schema.name.removeprefix("aten::"), schema.is_mutable, draws)


def _leaves(arguments, options) -> list:
    """All that an operation is given, one by one; its lists lie in no other lists."""
    found = []
    for value in (*arguments, *options.values()):
        if isinstance(value, list | tuple):
            found += value
        else:
            found.append(value)
    return found


def _inside(value):
    if isinstance(value, list | tuple):
        return [_inside(each) for each in value]
    return _inner(value)


def _inner(value):
    return value.inner if isinstance(value, PretendedTensor) else value


def _wrapped(value, written: dict[int, PretendedTensor]):
    """A result on the device; what an operation wrote into is itself."""
    if isinstance(value, list):
        return [_wrapped(each, written) for each in value]
    if not isinstance(value, torch.Tensor):
        return value
    tensor = written[id(value)] if id(value) in written else PretendedTensor(value)
    if tensor.shape != value.shape:  # an operation has resized what it was to write into
        tensor.data = PretendedTensor(value)
    return tensor


def _copied(operation, arguments, options):
    """Between the devices or on one: ``copy_(to, of)`` and ``_to_copy(of, device=...)``."""
    if operation is aten.copy_.default:
        to, of, *rest = arguments
        devices, blocking = (to.device, of.device), not (rest[0] if rest else options.get("non_blocking", False))
        operation(_inner(to), _inner(of))
        made = to
    else:
        (of,) = arguments
        device = torch.device(options.get("device") or of.device)
        devices, blocking = (device, of.device), not options.get("non_blocking", False)
        kept = {name: options[name] for name in ("dtype", "memory_format") if name in options}
        found = operation(_inner(of), **kept)
        made = PretendedTensor(found) if device.type == NAME else found
    if devices[0].type == "cpu" != devices[1].type and not blocking:
        raise RuntimeError("A copy to the CPU that nobody waits for would be read before it is written")
    if devices[0].type != devices[1].type and blocking:
        _waited("copy to the CPU" if devices[0].type == "cpu" else "copy to the device")
    return made


def _refuse_mixed(operation, arguments, others: list[torch.Tensor]) -> None:
    """Raises RuntimeError, as CUDA does, where tensors of the CPU take part that may not."""
    name, on_device = operation._schema.name.removeprefix("aten::"), isinstance(arguments[0], PretendedTensor)
    if name in ("index", "index_put", "index_put_", "_index_put_impl_") and on_device:
        indices = {id(index) for index in arguments[1]}
        if any(id(tensor) in indices for tensor in others):
            _waited(f"{name}, whose indices lie on the CPU")
        others = [tensor for tensor in others if id(tensor) not in indices]
    single = torch.Tag.pointwise in operation.tags or name in TAKES_A_NUMBER_OF_THE_CPU
    written = operation._schema.is_mutable and not on_device
    if [tensor for tensor in others if written or not single or tensor.ndim]:
        raise RuntimeError(
            f"Expected all tensors to be on the same device, but found at least two devices, {DEVICE} and cpu! "
            f"(when checking arguments of {name})"
        )


def _refuse_generators(given: list) -> None:
    for own in given:
        if isinstance(own, torch.Generator):
            raise RuntimeError(f"Expected a '{NAME}' device type for generator but found '{own.device.type}'")


def _count(operation, name: str, arguments) -> None:
    if operation in READ:
        _waited("reading a value")
    elif name in SIZED_BY_VALUES or (name == "repeat_interleave" and len(arguments) < 3):
        _waited(name)
    elif name in ("index", "index_put", "index_put_", "_index_put_impl_"):
        masks = [index for index in arguments[1] if index is not None and index.dtype == torch.bool]
        if masks and not (len(arguments[1]) == 1 and name != "index" and arguments[2].numel() == 1):
            _waited(f"{name} by a mask")


def _waited(what: str) -> None:
    for found in _counted:
        found.append(f"{what} in {_place()}")


def _place() -> str:
    """The innermost line of the library, or of whatever called torch, that is being run."""
    frame, outside = sys._getframe(2), None
    while frame:
        path = Path(frame.f_code.co_filename)
        if "zsas_lib" in path.parts and "site-packages" not in path.parts:
            return f"{'/'.join(path.parts[path.parts.index('zsas_lib') :])}:{frame.f_lineno}"
        if not outside and "torch" not in path.parts and path != Path(__file__):
            outside = f"{path.name}:{frame.f_lineno}"
        frame = frame.f_back
    return outside or threading.current_thread().name


def _dropped(values, share, train):
    """Dropout by the device's own numbers."""
    if not train:
        return PretendedTensor(values.clone()), PretendedTensor(torch.ones_like(values, dtype=torch.bool))
    kept = torch.rand(values.shape, generator=MODULE.generator) >= share
    return PretendedTensor(values * kept / (1 - share)), PretendedTensor(kept)


MODULE = _Module()
_setup_privateuseone_for_python_backend(NAME, MODULE, _Hook())
_library = torch.library.Library("_", "IMPL")
_library.fallback(lambda operation, *arguments, **options: _run(operation, arguments, options), "PrivateUse1")
_operations = torch.library.Library("aten", "IMPL")  # what `torch.tensor(..., device=...)` calls passes no fallback
for _operation in (aten.empty_strided.default, aten.copy_.default):
    _operations.impl(
        _operation._schema.name.removeprefix("aten::"),
        lambda *arguments, _operation=_operation, **options: _run(_operation, arguments, options),
        "PrivateUse1",
    )
