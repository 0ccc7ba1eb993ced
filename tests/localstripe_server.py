"""Runs the fake Stripe server `localstripe` on loopback: `python localstripe_server.py PORT`.

Its own entry point listens on every address of the machine, which a test must not.
"""

from __future__ import annotations

import sys

from aiohttp import web
from localstripe.server import app

if __name__ == "__main__":
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None)
