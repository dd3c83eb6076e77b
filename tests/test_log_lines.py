"""The log's last yard: it holds nobody up, and counts what it had to lose (defect C6)."""

import io
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from igauth.log_lines import LineWriter
from igauth.observability import Metrics


def logger_of(writer: LineWriter) -> logging.Logger:
    """A logger with this handler and no other."""
    writer.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger(f"test.{id(writer)}")
    logger.propagate = False
    logger.addHandler(writer)
    return logger


def test_lines_come_out_in_order() -> None:
    """Of one thread: each whole, in the order in which they were said."""
    stream = io.StringIO()
    writer = LineWriter(stream)
    logger = logger_of(writer)
    for number in range(1_000):
        logger.warning("line %d", number)
    writer.close()

    assert stream.getvalue().splitlines() == [f"line {number}" for number in range(1_000)]
    assert writer.dropped == 0


def test_a_full_pipe_holds_nobody_up() -> None:
    """What waits is bounded; later all that was kept comes out, and how much was lost."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        writer = LineWriter(stream, most_characters=200_000)
        logger = logger_of(writer)
        for number in range(10_000):  # a megabyte: the pipe holds 64 kB
            logger.warning("%06d %s", number, "x" * 92)
        dropped = writer.dropped
        said: list[str] = []
        reader = threading.Thread(target=_read_all, args=(reading, said))
        reader.start()
        writer.close()
    reader.join(30)
    kept = [line for line in said if line.endswith("x")]

    assert 7_000 < dropped < 10_000
    assert [int(line[:6]) for line in kept] == list(range(10_000 - dropped))
    assert [line for line in said if line not in kept] == [
        f"log.lines_dropped: nobody read the log in time (lines: {dropped})"
    ]


def _read_all(descriptor: int, said: list[str]) -> None:
    with os.fdopen(descriptor) as stream:
        said += stream.read().splitlines()


def test_an_exit_waits_for_no_reader() -> None:
    """A process whose log nobody reads ends all the same, and soon."""
    code = (
        "import logging\n"
        "from igauth.observability import configure_logging\n"
        "configure_logging('json', 'INFO')\n"
        "for _ in range(5_000): logging.getLogger('igauth').warning('x' * 100)\n"
    )
    reading, writing = os.pipe()
    try:
        done = subprocess.run([sys.executable, "-c", code], stderr=writing, timeout=60, check=False)
    finally:
        os.close(reading)
        os.close(writing)

    assert done.returncode == 0


def test_the_last_lines_come_out_at_the_exit() -> None:
    """Nothing is lost where somebody reads."""
    code = (
        "import logging\n"
        "from igauth.observability import configure_logging\n"
        "configure_logging('json', 'INFO')\n"
        "for number in range(5_000): logging.getLogger('igauth').warning('line %d', number)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    lines = done.stderr.splitlines()

    assert len(lines) == 5_000
    assert '"line 4999"' in lines[-1]


def test_a_reader_that_is_gone_is_counted() -> None:
    """EPIPE: the service goes on."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        writer = LineWriter(stream)
        logger_of(writer).warning("nobody hears")
        writer.close()

    assert writer.dropped == 1


def test_a_line_that_cannot_be_made_says_so() -> None:
    """Without its arguments, which logging itself would print."""
    stream = io.StringIO()
    writer = LineWriter(stream)
    logger_of(writer).warning("%d", "sEkReT")
    writer.close()

    assert stream.getvalue().endswith(": a line could not be made (TypeError)\n")
    assert "sEkReT" not in stream.getvalue()


def test_levels_are_heeded() -> None:
    """As by every handler."""
    stream = io.StringIO()
    writer = LineWriter(stream)
    logger = logger_of(writer)
    logger.setLevel(logging.WARNING)
    logger.info("quiet")
    logger.error("loud")
    writer.close()

    assert stream.getvalue() == "loud\n"


def test_a_closed_writer_counts_what_comes_later() -> None:
    """At the end of a process nobody may be held up either."""
    writer = LineWriter(io.StringIO())
    logger = logger_of(writer)
    writer.close()
    logger.warning("late")

    assert writer.dropped == 1


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger, put back afterwards."""
    logger = logging.getLogger()
    handlers = logger.handlers[:]
    yield logger
    logger.handlers[:] = handlers


def test_dropped_lines_are_a_metric(root: logging.Logger) -> None:
    """Counted once, however often it is scraped."""
    writer = LineWriter(io.StringIO(), most_characters=0)
    root.handlers[:] = [writer]
    metrics = Metrics()
    for number in (1, 2):
        root.warning("dropped")
        for _ in range(2):
            assert f"igauth_log_lines_dropped_total {number}.0" in metrics.render().decode()
    writer.close()
