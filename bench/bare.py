"""The least that an API on our server can cost: one Litestar handler that answers a constant, served as ours are.

`python -m bench.bare --data DIR --tcp HOST:PORT` writes DIR/run/process.json as `carillon up` does, until SIGTERM.
"""

import argparse
import json
import os
import signal
from pathlib import Path

from litestar import Litestar, get

from api.server import ApiServer


@get("/bare", sync_to_thread=False)
def answer() -> dict[str, int]:
    """Answer without asking anybody."""
    return {"items": 0}


def main() -> int:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m bench.bare", description=str(__doc__).splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--tcp", help="taken and not used: there are no terminals")
    options = parser.parse_args()
    server = ApiServer(Litestar([answer], openapi_config=None, logging_config=None), "127.0.0.1", 0)
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    server.start()
    run = options.data / "run"
    run.mkdir(parents=True)
    told = {"pid": os.getpid(), "tcp": "", "http": server.address, "threads": {"api": server.native_id}}
    fresh = run / ".process.json"
    fresh.write_text(json.dumps(told))
    fresh.replace(run / "process.json")
    signal.sigwait(signals)
    server.stop()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
