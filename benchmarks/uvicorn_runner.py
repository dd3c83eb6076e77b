"""An application of `benchmarks` behind uvicorn, set up as `igauth serve` sets it up.

python -m benchmarks.uvicorn_runner PORT module:factory
"""

import sys

import uvicorn

if __name__ == "__main__":
    uvicorn.run(
        sys.argv[2],
        factory=True,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=65,
    )
