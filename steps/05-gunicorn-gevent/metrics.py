"""What an operator wants to see. `python metrics.py 9105` serves the sums over all workers.

https://prometheus.github.io/client_python/multiprocess/
"""

import sys

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector

STREAMS = Gauge("streams_open", "Open streams", multiprocess_mode="livesum")
REFUSED = Counter("streams_refused", "Streams for which there was no room", ["status"])
DELIVERED = Counter("events_delivered", "Events put into the inbox of a stream")
OVERFLOWS = Counter(
    "inbox_overflows", "Inboxes that were full: of slow clients, or while Redis was away"
)
GAPS = Counter("stream_gaps", "Times that a stream had to read the buffer in Redis")
LAG = Histogram(
    "hub_lag_seconds",
    "Age of an event when it is handed out",
    buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10),
)

if __name__ == "__main__":
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    server, thread = start_http_server(int(sys.argv[1]), addr="127.0.0.1", registry=registry)
    thread.join()
