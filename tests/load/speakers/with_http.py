"""Publishes to the channel of each user over HTTP, as nchan wants it."""

import http.client
import json
import sys
import time
from urllib.parse import urlsplit

from update import state

server = http.client.HTTPConnection(urlsplit(sys.argv[1]).netloc)

for line in sys.stdin:
    times, pause = line.split()
    for _ in range(int(times)):
        for number in range(int(sys.argv[2])):
            server.request("POST", f"/publish?channel=user-{number}", body=json.dumps(state()))
            server.getresponse().read()
        time.sleep(float(pause))
    print("done", flush=True)
