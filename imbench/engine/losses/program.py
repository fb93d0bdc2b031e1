"""A loss as a list of operations on the numbers of one row, and how such a list grows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

# Bounds of the code that is made of a loss: longer ones take longer to compile than they save.
MOST_OPERATIONS = 400

Operation = tuple[str, tuple[int, ...], int]


class UntraceableError(Exception):
    """What a loss does is not arithmetic on one row's numbers, or not known here."""


@dataclass(frozen=True)
class Program:
    """Operations, each on the results of earlier ones, that make the loss of a row and its gradient on the logits.

    Parameters
    ----------
    operations : ``(name, numbers of the operands, option)``; the first two are the logits and the labels. A result is
        ``classes`` numbers or one. ``("constant", (), c)`` is one number, column c of the constants;
        ``("constants", (), c)`` is the columns from c, one for each class.
    loss, gradient : the numbers of the two results
    classes : numbers of classes
    """

    operations: tuple[Operation, ...]
    loss: int
    gradient: int
    classes: int


@dataclass
class Recording:
    """What has been recorded, and which arrays are known to be a number of every row."""

    nets: int
    classes: int
    operations: list[Operation] = field(default_factory=list)
    columns: list[np.ndarray] = field(default_factory=list)
    # By the identity of an array; the arrays are kept so that none takes the identity of another.
    known: dict[int, tuple[Tensor, int]] = field(default_factory=dict)

    def add(self, name: str, *operands: int, option: int = 0) -> int:
        """One more operation; the number of its result."""
        self.operations.append((name, operands, option))
        return len(self.operations) - 1

    def bind(self, array: Tensor, number: int) -> None:
        """This array is the result of this number, for every row."""
        self.known[id(array)] = array, number

    def check_in_place(self, array: Tensor) -> None:
        """Only a known array may change in place, and only one that no other known one shares its memory with."""
        place = array.untyped_storage().data_ptr()
        others = [a for a, _ in self.known.values() if a is not array and a.untyped_storage().data_ptr() == place]
        if id(array) not in self.known or others:
            raise UntraceableError("an array changes in place")

    def number(self, value: Any, like: Tensor) -> int:
        """The number of an operand of an operation that makes something of the shape of ``like``."""
        if isinstance(value, Tensor) and id(value) in self.known:
            if value.ndim != like.ndim:
                raise UntraceableError(f"{value.ndim} and {like.ndim} axes meet")
            return self.known[id(value)][1]
        return self._constant(torch.as_tensor(value), like)

    def _constant(self, value: Tensor, like: Tensor) -> int:
        """What is the same for all rows of a net."""
        wide = like.ndim == 3 and value.ndim > 0 and value.shape[-1] > 1
        each = value.detach().broadcast_to(like.shape).to(torch.float32)
        if like.ndim == 2:
            each = each[..., None]
        each = each if wide else each[..., :1]
        if not torch.equal(each, each[:, :1].expand_as(each)):
            raise UntraceableError("a constant differs between rows")
        first = len(self.columns)
        self.columns += list(each[:, 0].numpy().T)
        number = self.add("constants" if wide else "constant", option=first)
        if value.dtype is not torch.bool:
            return number
        return self.add("unequal", number, self._constant(torch.tensor(0.0), like))

    def program(self, *results: int) -> tuple[Program, np.ndarray]:
        """What makes these two results, and nothing else; and its constants ``(nets, columns)`` float32."""
        needed, todo = {0, 1}, list(results)
        while todo:
            number = todo.pop()
            if number not in needed:
                needed.add(number)
                todo += self.operations[number][1]
        if len(needed) > MOST_OPERATIONS:
            raise UntraceableError(f"{len(needed)} operations")
        place = {old: new for new, old in enumerate(sorted(needed))}
        columns: list[np.ndarray] = []
        kept: list[Operation] = []
        for old in place:
            name, operands, option = self.operations[old]
            if name in ("constant", "constants"):
                count = self.classes if name == "constants" else 1
                columns += self.columns[option : option + count]
                option = len(columns) - count
            kept.append((name, tuple(place[o] for o in operands), option))
        constants = np.ascontiguousarray(np.array(columns, np.float32).reshape(-1, self.nets).T)
        loss, gradient = (place[r] for r in results)
        return Program(tuple(kept), loss, gradient, self.classes), constants
