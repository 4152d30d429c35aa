"""One process of the shop, from the port it prints to the last span it sends."""

import json
import signal
import sys
import threading

from shop_http import Client, Server
from shop_services import MAKERS, Pace, Tools
from shop_tracing import Place, tracer_provider


def serve(place: Place) -> None:
    """Serve until standard input ends, then send what is left.

    The first line out is the port; the first line in is the peers' ports and the time the shop
    opened. Standard input ends when the parent closes it and also when the parent is killed,
    so that no process of the shop outlives the one that started it.
    """
    # Ctrl-C reaches the whole group; the parent decides, and closes the shop front to back.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    provider = tracer_provider(place)
    tracer = provider.get_tracer("shop", place.version)
    server = Server(place.service, tracer)
    print(server.server_port, flush=True)
    opening = sys.stdin.readline()
    if opening:
        wiring = json.loads(opening)
        tools = Tools(
            place,
            tracer,
            Client(tracer, wiring["peers"]),
            Pace(place, wiring["started_unix_s"]),
        )
        server.routes = MAKERS[place.service](tools)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sys.stdin.read()
        server.shutdown()
    server.server_close()
    provider.shutdown()
