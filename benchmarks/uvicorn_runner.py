"""An application of `benchmarks` behind uvicorn, set up as `igauth serve` sets it up.

    python -m benchmarks.uvicorn_runner PORT module:factory

With BENCH_PROFILE in the environment, SIGUSR1 begins a profile, which is written there when the
process ends. Its clock is the thread's CPU, so that other processes lengthen nothing.
"""

import cProfile
import os
import signal
import sys
import time

import uvicorn


def main(port: int, factory: str) -> None:
    """Serves until it is told to stop."""
    uvicorn.run(
        factory,
        factory=True,
        host="127.0.0.1",
        port=port,
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=65,
    )


def main_profiled(port: int, factory: str, path: str) -> None:
    """The same; the profile is written once the server has ended."""
    profile = cProfile.Profile(time.thread_time)
    signal.signal(signal.SIGUSR1, lambda *_: profile.enable())
    # uvicorn raises the signal again that ended it; then there is still something to write
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    try:
        main(port, factory)
    finally:
        profile.disable()
        profile.dump_stats(path)


if __name__ == "__main__":
    if "BENCH_PROFILE" in os.environ:
        main_profiled(int(sys.argv[1]), sys.argv[2], os.environ["BENCH_PROFILE"])
    else:
        main(int(sys.argv[1]), sys.argv[2])
