"""Publishes news to the channel of each user: as the script of steps 04 and 05 does it, if this is
started in the folder of such a step, and else as the peers want it."""

import json
import os
import sys
import time
from datetime import UTC, datetime

from redis import Redis

DATA = {"task_id": "0" * 32, "kind": "optimize", "files": [], "state": "PROGRESS", "progress": 16}
DATA |= {"stage": "optimizing", "message": "Iteration 100 of 600", "current": 100, "total": 600}
URL, USERS = sys.argv[1], int(sys.argv[2])
AT_ONCE = 500
redis = Redis.from_url(URL)
tasks = {}


def create_tasks():
    os.environ["REDIS_URL"] = URL
    sys.path.insert(0, os.getcwd())
    import store

    for number in range(USERS):
        tasks[number] = store.create(f"user-{number}", "optimize", {}, None)
        print(f"user-{number}", tasks[number], flush=True)


def news(number):
    """The channel of this user, and what to publish there."""
    now = datetime.now(UTC)
    data = DATA | {"updated_at": now.isoformat(timespec="milliseconds")}
    if number not in tasks:
        return f"user-{number}", json.dumps({"type": "progress", "data": data})
    data["task_id"] = tasks[number]
    id = f"{int(now.timestamp() * 1000)}-{number}"
    return f"task_progress:user-{number}", f"{id} progress {tasks[number]} {json.dumps(data)}"


if os.path.exists("store.py"):
    create_tasks()
for line in sys.stdin:
    times, pause = line.split()
    for _ in range(int(times)):
        for first in range(0, USERS, AT_ONCE):
            with redis.pipeline(transaction=False) as pipe:
                for number in range(first, min(first + AT_ONCE, USERS)):
                    pipe.publish(*news(number))
                pipe.execute()
        time.sleep(float(pause))
    print("done", flush=True)
