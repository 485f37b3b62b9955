"""Publishes an update to each user, one after another, as jobs do.

python with_publish.py REDIS_URL USERS    # then a line "TIMES PAUSE" for each burst of updates

Started in the folder of a step, it creates a task for each user, prints the user and the task, and
lets the step publish. Otherwise it publishes to the channel of each user, as the peers want it.
"""

import json
import os
import sys
import time

from redis import Redis
from update import changes, state

URL, USERS = sys.argv[1], int(sys.argv[2])


def step():
    """Publishes as the worker of the step in this folder does."""
    os.environ["REDIS_URL"] = URL
    sys.path.insert(0, os.getcwd())
    import events
    import store

    tasks = []
    for number in range(USERS):
        task = store.get(store.create(f"user-{number}", "optimize", {}, None))
        events.publish(task)  # 'Queued', as when a task is started
        print(task["user"], task["task_id"], flush=True)
        tasks.append(task)
    return lambda number: events.publish(tasks[number], **changes())


def peer():
    redis = Redis.from_url(URL)

    def publish(number):
        redis.publish(f"user-{number}", json.dumps({"type": "progress", "data": state()}))

    return publish


publish = step() if os.path.exists("events.py") else peer()
for line in sys.stdin:
    times, pause = line.split()
    for _ in range(int(times)):
        for number in range(USERS):
            publish(number)
        time.sleep(float(pause))
    print("done", flush=True)
