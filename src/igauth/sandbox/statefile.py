"""The state file: read at the start, written whenever something changed, never half."""

import json
import logging
import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from igauth.sandbox.memory import Memory, recall, remember
from igauth.sandbox.state import State

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class StateFile:
    """One sandbox's memory on disk: JSON, mode 0600 because living tokens are in it."""

    path: Path
    state: State
    _saved: int = 0
    _failed: bool = False

    def load(self) -> None:
        """Recall what the file holds; one that can't be read is ignored with a warning."""
        try:
            memory = Memory.model_validate(json.loads(self.path.read_bytes()))
            if memory.app_id != self.state.config.app_id:
                raise ValueError("it belongs to another app id")
        except FileNotFoundError:
            return
        except (OSError, ValueError, RecursionError) as error:
            _log.warning("the sandbox starts afresh: %s can't be used: %s", self.path, _why(error))
            return
        recall(self.state, memory)

    def save(self) -> None:
        """Write, if anything changed since the last time; failing is warned about once."""
        if self._saved == self.state.changes:
            return
        self._saved = self.state.changes
        try:
            memory = remember(self.state).model_dump(mode="json", exclude_defaults=True)
            _replace(self.path, json.dumps(memory, separators=(",", ":")))
        except (OSError, ValueError) as error:
            if not self._failed:
                _log.warning("the sandbox's state isn't kept in %s: %s", self.path, _why(error))
            self._failed = True
        else:
            self._failed = False


def _why(error: BaseException) -> str:
    """One line without the content: a complaint may quote a token."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return str(error) if type(error) is ValueError else type(error).__name__


def _replace(path: Path, text: str) -> None:
    descriptor, temporary = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


class Saving:
    """Saves before an answer leaves, so that no client knows more than the file."""

    def __init__(self, app: ASGIApp, file: StateFile) -> None:
        self._app = app
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; a cut or hanging one is saved when it ends."""

        async def saved(message: Message) -> None:
            self._file.save()
            await send(message)

        try:
            await self._app(scope, receive, saved)
        finally:
            self._file.save()
