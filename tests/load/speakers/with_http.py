"""Publishes to the channel of each user over HTTP, as nchan wants it."""

import http.client
import json
import sys
import time
from datetime import UTC, datetime
from urllib.parse import urlsplit

DATA = {"task_id": "0" * 32, "kind": "optimize", "files": [], "state": "PROGRESS", "progress": 16}
DATA |= {"stage": "optimizing", "message": "Iteration 100 of 600", "current": 100, "total": 600}
server = http.client.HTTPConnection(urlsplit(sys.argv[1]).netloc)

for line in sys.stdin:
    times, pause = line.split()
    for _ in range(int(times)):
        for number in range(int(sys.argv[2])):
            now = datetime.now(UTC).isoformat(timespec="milliseconds")
            news = json.dumps(DATA | {"updated_at": now})
            server.request("POST", f"/publish?channel=user-{number}", body=news)
            server.getresponse().read()
        time.sleep(float(pause))
    print("done", flush=True)
