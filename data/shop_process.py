"""One process of the shop, from the port it prints to the last span it sends."""

import json
import signal
import sys
import threading

from shop_books import Books
from shop_http import Client, Server
from shop_metrics import meter_provider
from shop_services import MAKERS, Pace, Tools
from shop_tracing import Place, resource_of, tracer_provider
from shop_work import Workers, bounded


def serve(place: Place) -> None:
    """Serve until standard input ends, then send what is left.

    The first line out is the port; the first line in is the peers' ports and the time the shop
    opened; the last line out is what the process knows to be true of itself. Standard input ends
    when the parent closes it and also when the parent is killed, so that no process of the shop
    outlives the one that started it.
    """
    # Ctrl-C reaches the whole group; the parent decides, and closes the shop front to back.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource = resource_of(place)
    provider = tracer_provider(place, resource)
    tracer = provider.get_tracer("shop", place.version)
    workers = Workers(place.known.concurrency.get(place.service, 0))
    metrics = meter_provider(place, resource, workers)
    server = Server(place.service, tracer)
    print(server.server_port, flush=True)
    opening = sys.stdin.readline()
    if opening:
        wiring = json.loads(opening)
        books = Books()
        tools = Tools(
            place,
            tracer,
            Client(tracer, wiring["peers"]),
            Pace(place, wiring["started_unix_s"]),
            books,
        )
        routes = MAKERS[place.service](tools)
        server.routes = tuple(bounded(each, place, workers, tracer, books) for each in routes)
        server.handled = books.handled
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sys.stdin.read()
        server.shutdown()
        tools.closing.close()
        print(json.dumps(books.told()), flush=True)
    server.server_close()
    metrics.shutdown()
    provider.shutdown()
