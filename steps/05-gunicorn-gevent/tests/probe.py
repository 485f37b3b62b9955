"""The app, and a look inside its process for the tests."""

import gc
import os
import socket
import threading

import gevent
from greenlet import greenlet

import hub
import store
import tasks
from app import app


@app.get("/probe")
def probe():
    gc.collect()
    return {
        "pid": os.getpid(),
        "greenlets": sum(isinstance(thing, greenlet) for thing in gc.get_objects()),
        "files": len(os.listdir("/dev/fd")),
        "streams": hub.hub.streams,
        "channels": len(hub.hub.bells),
    }


@app.get("/probe/patched")
def patched():
    """The modules from which the sockets and locks of each library come."""
    with tasks.celery.connection_for_write() as broker:
        broker.ensure_connection(max_retries=1)
        return {
            "socket": socket.socket.__module__,
            "lock": type(threading.Lock()).__module__,
            "redis": type(connected(store.redis)).__module__,
            "streams": type(connected(hub.redis)).__module__,
            "celery": type(
                broker.default_channel.client.connection_pool.get_connection()._sock
            ).__module__,
            "threads": threading.current_thread().__class__.__module__ + gevent.__name__,
        }


def connected(client):
    connection = client.connection_pool.get_connection()
    try:
        return connection._sock
    finally:
        client.connection_pool.release(connection)
