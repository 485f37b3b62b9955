"""What an operator wants to see. `python deploy/metrics.py 9105` serves the sums over all workers.

The step doesn't know that it is measured: `watch` wraps the functions that are worth counting.
https://prometheus.github.io/client_python/multiprocess/
"""

import sys
import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector

STREAMS = Gauge("streams_open", "Open streams", multiprocess_mode="livesum")
REFUSED = Counter("streams_refused", "Streams for which there was no room", ["status"])
DELIVERED = Counter("events_delivered", "Events given to a stream by the hub")
OVERFLOWS = Counter("bell_overflows", "Streams that were too slow, or waited for Redis")
READS = Counter("buffer_reads", "Times that a stream had to read the buffer in Redis")
LAG = Histogram(
    "hub_lag_seconds",
    "Age of an event when the hub hands it out",
    buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10),
)


def watch():
    """Counts what happens in this process from now on."""
    import bell
    import events
    import page
    from hub import RING, hub

    join, leave, hand_out = hub.join, hub.leave, hub.hand_out
    put, read = bell.Bell.put, events.read

    def counted_join(stream):
        try:
            join(stream)
        except page.Refused as refused:
            REFUSED.labels(refused.status).inc()
            raise
        STREAMS.set(hub.streams)

    def counted_leave(stream):
        leave(stream)
        STREAMS.set(hub.streams)

    def counted_hand_out(channel, message):
        if message is not RING:
            _, event = events.parse(message)
            LAG.observe(time.time() - int(event.id.split("-")[0]) / 1000)
            DELIVERED.inc(len(hub.bells.get(channel, ())))
        hand_out(channel, message)

    def counted_put(stream, message):
        if len(stream.messages) >= bell.MAX_WAITING:
            OVERFLOWS.inc()
        put(stream, message)

    def counted_read(user, last_id):
        READS.inc()
        return read(user, last_id)

    hub.join, hub.leave, hub.hand_out = counted_join, counted_leave, counted_hand_out
    bell.Bell.put, events.read = counted_put, counted_read


if __name__ == "__main__":
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    server, thread = start_http_server(int(sys.argv[1]), addr="127.0.0.1", registry=registry)
    thread.join()
