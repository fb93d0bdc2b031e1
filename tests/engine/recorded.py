"""A recorder for any device: plays again what a step did to tensors, none of its Python, as a CUDA graph does."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode

# What a CUDA graph cannot hold: the host waiting for the device, or making tensors out of Python's numbers.
FORBIDDEN = {"_local_scalar_dense", "nonzero", "item", "is_nonzero", "lift_fresh", "_to_copy", "equal"}


class Recorder:
    """An `imbench.engine.runner.Recorder` by interception of every operation."""

    def __init__(self):
        self.recordings = self.replays = self.warm_ups = 0

    def warm_up(self, step):
        self.warm_ups += 1
        step()

    def record(self, step):
        self.recordings += 1
        tape = _Tape()
        with tape:
            step()
        tape.undo()  # recording takes no step

        def replay():
            self.replays += 1
            tape.play()

        return replay

    def synchronize(self):
        pass


class _Tape(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self._operations, self._made, self._before = [], set(), {}

    def __torch_dispatch__(self, function, types, arguments=(), named=None):
        named = named or {}
        name = function._schema.name.removeprefix("aten::")
        if name in FORBIDDEN:
            raise RuntimeError(f"operation {name} is not permitted while recording")
        written = [
            value
            for value, described in zip(_values(function, arguments, named), function._schema.arguments, strict=True)
            if described.alias_info is not None and described.alias_info.is_write
        ]
        for tensor in filter(torch.is_tensor, written):
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in self._made | set(self._before):
                self._before[storage.data_ptr()] = storage, storage.clone()
        result = function(*arguments, **named)
        fresh = [] if written or _is_view(function) else [t for t in _flat(result) if torch.is_tensor(t)]
        self._made |= {t.untyped_storage().data_ptr() for t in fresh}
        if not _is_view(function):
            self._operations.append((function, arguments, named, fresh))
        return result

    def undo(self):
        for storage, before in self._before.values():
            storage.copy_(before)

    def play(self):
        for function, arguments, named, fresh in self._operations:
            again = [t for t in _flat(function(*arguments, **named)) if torch.is_tensor(t)]
            for held, made in zip(fresh, again, strict=False):
                # As a graph does, whose replays autograd does not know of: gradients read the new values.
                with torch.autograd._unsafe_preserve_version_counter(held):
                    held.copy_(made)


def _values(function, arguments, named):
    described = function._schema.arguments
    return [*arguments, *(named.get(d.name) for d in described[len(arguments) :])]


def _is_view(function):
    returns = function._schema.returns
    return any(r.alias_info is not None and not r.alias_info.is_write for r in returns)


def _flat(result):
    return list(result) if isinstance(result, tuple | list) else [result]
