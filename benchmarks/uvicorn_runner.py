"""An application of `benchmarks` behind uvicorn, set up as `igauth serve` sets it up.

    python -m benchmarks.uvicorn_runner PORT module:factory

With BENCH_PROFILE in the environment it runs under cProfile, and writes there when it ends.
"""

import cProfile
import os
import signal
import sys

import uvicorn


def main(port: int, factory: str, profile: cProfile.Profile | None) -> None:
    """Serves until it is told to stop; what is imported before isn't profiled."""
    config = uvicorn.Config(
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
    config.load()
    if profile is not None:
        profile.enable()
    uvicorn.Server(config).run()


if __name__ == "__main__":
    path = os.environ.get("BENCH_PROFILE")
    profiler = cProfile.Profile() if path else None
    # uvicorn raises the signal again once it has ended; then there is still something to write
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    try:
        main(int(sys.argv[1]), sys.argv[2], profiler)
    finally:
        if profiler is not None and path is not None:
            profiler.disable()
            profiler.dump_stats(path)
