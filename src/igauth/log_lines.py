"""Lines of the log on their way out: whoever logs never waits for whoever reads.

A pipe that nobody empties stops `write`; were that called where events are logged, the whole
service would stand still (defect C6). So each line is made at once, in the thread that logs (it
needs the request's id), and written by a thread of its own. What doesn't fit is counted.
"""

import logging
import os
import select
import threading
from collections.abc import Callable
from typing import TextIO

MOST_CHARACTERS = 4_000_000
_PATIENCE_SECONDS = 1.0


class LineWriter(logging.Handler):
    """A handler with a bounded queue and a writer thread, which starts with the first line."""

    def __init__(self, stream: TextIO, most_characters: int = MOST_CHARACTERS) -> None:
        super().__init__()
        self.dropped = 0
        self._write = _writing_to(stream)
        self._most = most_characters
        self._lines: list[str] = []
        self._held = 0
        self._told = 0
        self._closed = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Queues the record's line, or counts it as dropped. Never waits, never raises."""
        try:
            line = f"{self.format(record)}\n"
        except Exception as error:  # logging's own handling would print the arguments
            line = f"{record.name}: a line could not be made ({type(error).__name__})\n"
        with self._changed:
            if self._closed or self._held + len(line) > self._most:
                self.dropped += 1
                return
            self._lines.append(line)
            self._held += len(line)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="log", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def flush(self) -> None:
        """Waits until all is written; a second at most, since it may never be."""
        with self._changed:
            self._changed.wait_for(lambda: self._held == 0, _PATIENCE_SECONDS)

    def close(self) -> None:
        """Flushes, and ends the thread. Later lines are dropped."""
        self.flush()
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        super().close()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._lines or self._closed)
                lines, self._lines = self._lines, []
            if not lines:
                return
            self._write_out(lines)
            with self._changed:
                self._held -= sum(map(len, lines))
                self._changed.notify_all()

    def _write_out(self, lines: list[str]) -> None:
        try:
            self._write("".join(lines))
            if self.dropped > self._told:
                self._told, lost = self.dropped, self.dropped - self._told
                self._write(f"{self.format(_loss(lost))}\n")
        except OSError:  # the reader is gone; the service is not
            self.dropped += len(lines)


def dropped_lines() -> int:
    """How many lines this process had to drop since it began."""
    handlers = logging.getLogger().handlers
    return sum(each.dropped for each in handlers if isinstance(each, LineWriter))


def _loss(lines: int) -> logging.LogRecord:
    text = "log.lines_dropped: nobody read the log in time (lines: %d)"
    return logging.LogRecord("igauth.log", logging.WARNING, "", 0, text, (lines,), None)


def _writing_to(stream: TextIO) -> Callable[[str], object]:
    """Straight to the descriptor where there is one: at exit a buffer's lock may be held for ever.

    A terminal or pipe may have been made non-blocking by another program that shares it.
    """
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError, AttributeError):  # a test's, in memory
        return stream.write

    def write(text: str) -> None:
        rest = memoryview(text.encode("utf-8", "backslashreplace"))
        while rest:
            try:
                rest = rest[os.write(descriptor, rest) :]
            except BlockingIOError:
                select.select([], [descriptor], [])

    return write
