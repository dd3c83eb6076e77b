"""Work as a user to whom nothing belongs: root may read everything, so root must leave."""

import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_NOBODY = 65_534


@contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that every user can enter, as pytest's own can't."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        folder.chmod(0o755)
        yield folder


def as_nobody(work: Callable[[], str]) -> str:
    """What `work` answers in a process without privileges. An ordinary user has none to lose."""
    if os.geteuid() != 0:
        return work()
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # other threads: the child needs none
        child = os.fork()
    if child == 0:
        _work_and_leave(work, writing)
    os.close(writing)
    with os.fdopen(reading) as answer:
        said = answer.read()
    os.waitpid(child, 0)
    return said


def _work_and_leave(work: Callable[[], str], writing: int) -> None:
    try:
        os.setgroups([])
        os.setgid(_NOBODY)
        os.setuid(_NOBODY)
        os.write(writing, work().encode())
    except BaseException as error:
        os.write(writing, repr(error).encode())
    finally:
        os._exit(0)
