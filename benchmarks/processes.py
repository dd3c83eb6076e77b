"""Child processes and what the kernel says of them (Linux: /proc)."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Final

START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 60.0
_TICKS: Final = os.sysconf("SC_CLK_TCK")
ROOT: Final = Path(__file__).resolve().parent.parent


class Child:
    """A process of ours: CPU with all its threads, memory, and its end."""

    def __init__(self, popen: subprocess.Popen[bytes], log: Path) -> None:
        self._popen = popen
        self._proc = Path(f"/proc/{popen.pid}")
        self._log = log

    def cpu_seconds(self) -> float:
        """What its threads have run so far: to the ns by schedstat, else in ticks (proc(5))."""
        try:
            threads = list((self._proc / "task").glob("*/schedstat"))
            return sum(int(each.read_text().split()[0]) for each in threads) / 1e9
        except OSError:
            fields = (self._proc / "stat").read_text().rpartition(") ")[2].split()
            return (int(fields[11]) + int(fields[12])) / _TICKS

    def memory_mb(self) -> float:
        """What is resident now."""
        return self._status_mb("VmRSS")

    def peak_mb(self) -> float:
        """The most that was resident since `forget_peak`."""
        return self._status_mb("VmHWM")

    def forget_peak(self) -> None:
        """proc(5), clear_refs."""
        (self._proc / "clear_refs").write_text("5")

    def check(self) -> None:
        """Ends the program with the child's last words if it is gone."""
        if self._popen.poll() is not None:
            raise SystemExit(f"{self._popen.args!r} ended:\n{self.last_words()}")

    def last_words(self) -> str:
        """The end of its log."""
        return self._log.read_text("utf-8", "replace")[-3000:]

    def signal(self, number: int) -> None:
        """Sends it a signal."""
        self._popen.send_signal(number)

    def stop(self) -> None:
        """SIGTERM, and SIGKILL for one that doesn't listen."""
        self._popen.terminate()
        try:
            self._popen.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()

    def _status_mb(self, name: str) -> float:
        for line in (self._proc / "status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) / 1024
        raise SystemExit(f"the kernel doesn't tell {name}")


@contextmanager
def child(
    arguments: Sequence[str], *, folder: Path, environment: Mapping[str, str] | None = None
) -> Iterator[Child]:
    """A process for as long as the block runs, with a folder to work in and a log there."""
    path = folder / f"{Path(arguments[-1]).name or 'child'}-{time.monotonic_ns()}.log"
    with path.open("wb") as log:
        popen = subprocess.Popen(
            list(arguments), cwd=folder, env=_environment(environment), stdout=log, stderr=log
        )
    started = Child(popen, path)
    try:
        yield started
    finally:
        started.stop()


def run(
    arguments: Sequence[str], *, folder: Path, environment: Mapping[str, str] | None = None
) -> str:
    """What a command prints. SystemExit with what it says where it fails."""
    done = subprocess.run(
        list(arguments), cwd=folder, env=_environment(environment), capture_output=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{list(arguments)} failed:\n{done.stderr.decode()[-3000:]}")
    return done.stdout.decode()


def free_port() -> int:
    """A port of the loopback that nobody uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until_ready(server: Child, port: int, path: str) -> float:
    """Seconds until the port answers 200 at `path`."""
    began = time.perf_counter()
    while time.perf_counter() - began < START_SECONDS:
        server.check()
        if _answers(port, path):
            return time.perf_counter() - began
        time.sleep(0.005)
    raise SystemExit(f"nothing answered on port {port}:\n{server.last_words()}")


def _answers(port: int, path: str) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path, headers={"Host": f"localhost:{port}"})
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _environment(more: Mapping[str, str] | None) -> dict[str, str]:
    """Nothing of this machine's settings reaches a child; `benchmarks` can be imported."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "", **(more or {})}
