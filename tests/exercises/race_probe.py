"""Run in the folder of a step: what its race.py finds with ways to publish, good and bad, as JSON.

A counter that finds nothing where events are lost is as wrong as one that sees losses everywhere.
"""

import json
import random
import threading
import time

import events
import race
import store
from inbox import channel

taking_turns = threading.Lock()


def slow(task_id, run, **news):
    """In two commands, with a while in between: certain to lose events."""
    task = store.get(task_id)
    task["status"] |= news
    event = events.event_of(task)
    fields = {"type": event.type, "task_id": task_id, "data": event.data}
    id = store.redis.xadd(events.buffer(task["user"]), fields).decode()
    time.sleep(random.uniform(0, 0.005))
    store.redis.publish(channel(task["user"]), f"{id} {event.type} {task_id} {event.data}")


def one_at_a_time(publish):
    def publish_alone(task_id, run, **news):
        with taking_turns:
            publish(task_id, run, **news)

    return publish_alone


ways = {
    "script": events.publish,
    "split": race.split,
    "split, one at a time": one_at_a_time(race.split),
    "slow": slow,
    "slow, one at a time": one_at_a_time(slow),
}
print(json.dumps({name: race.missed(publish) for name, publish in ways.items()}))
