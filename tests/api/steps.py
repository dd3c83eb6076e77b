"""Counting what Python does, in place of timing it: no busy machine spoils such a test."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


class Steps:
    """Counts executed bytecodes, and the calls into C, while a block runs."""

    def __init__(self) -> None:
        self.taken = 0

    def __enter__(self) -> "Steps":
        self._trace, self._profile = sys.gettrace(), sys.getprofile()
        sys.settrace(self._enter)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._trace)

    def _enter(self, frame: FrameType, _event: str, _arg: Any) -> Callable[..., Any]:
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        return self._step

    def _step(self, _frame: FrameType, event: str, _arg: Any) -> Callable[..., Any]:
        self.taken += event == "opcode"
        return self._step


def steps_of(call: Callable[[], object]) -> int:
    """How many bytecodes this takes."""
    with Steps() as steps:
        call()
    return steps.taken


def assert_linear(smaller: int, larger: int, times: int = 4) -> None:
    """What takes `times` as much input takes at most that many steps more (and 15 % of slack)."""
    assert larger <= times * smaller * 1.15, f"{smaller} steps grew to {larger}"
