"""A scriptable fake of an Akeyless gateway. README.md describes how to use it."""

import argparse
import json
import pathlib
import signal
import ssl
import sys
import threading

from account import Account
from control import ControlHandler, load
from server import Gateway, Handler, Server


def main() -> None:
    parser = argparse.ArgumentParser(prog="akeyless_gateway", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="port of the gateway; 0 = any free port")
    parser.add_argument("--control-port", type=int, default=0, help="port of the control API (control.py); 0 = any free port")
    parser.add_argument("--state", type=pathlib.Path, help="JSON document with settings, methods, items and faults")
    parser.add_argument("--tls-cert", type=pathlib.Path, help="PEM chain; without it plain HTTP")
    parser.add_argument("--tls-key", type=pathlib.Path)
    arguments = parser.parse_args()

    gateway = Gateway(Account())
    if arguments.state:
        load(gateway, json.loads(arguments.state.read_text()))
    tls = None
    if arguments.tls_cert:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(arguments.tls_cert, arguments.tls_key)
    server = Server((arguments.host, arguments.port), type("BoundHandler", (Handler,), {"gateway": gateway}), tls)
    control = Server((arguments.host, arguments.control_port), type("BoundControl", (ControlHandler,), {"gateway": gateway}))
    threading.Thread(target=control.serve_forever, daemon=True).start()
    scheme = "https" if tls else "http"
    print(f"gateway {scheme}://{arguments.host}:{server.server_port}", flush=True)
    print(f"control http://{arguments.host}:{control.server_port}", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server.serve_forever()


if __name__ == "__main__":
    main()
