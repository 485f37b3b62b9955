"""Run in the folder of a step: what its race.py finds with ways to publish, good and bad, as JSON.

A counter that finds nothing where cancelling fails is as wrong as one that always finds something.
"""

import json
import random
import threading
import time

import events
import race
import store

script = events.publish
taking_turns = threading.Lock()


def slow(task, **changes):
    """Looks, pauses and then writes, so that many tasks are cancelled during the pause."""
    key = f"task:{task['task_id']}"
    if (store.redis.hget(key, "state") or b"").decode() != task.get("state", ""):
        return False
    time.sleep(random.uniform(0, 0.002))
    task["state"] = json.dumps(events.status(task) | changes)
    store.redis.hset(key, "state", task["state"])
    store.redis.xadd(events.buffer(task["user"]), {"state": task["state"]})
    return True


def one_at_a_time(publish):
    def publish_alone(task, **changes):
        with taking_turns:
            return publish(task, **changes)

    return publish_alone


def undone(publish, cancel=script):
    """What race.py finds if a run publishes in one way, and tasks are cancelled in another."""
    events.publish = cancel
    return race.undone(publish)


print(
    json.dumps(
        {
            "script": undone(script),
            "split": undone(race.split),
            "split, one at a time": undone(one_at_a_time(race.split), one_at_a_time(script)),
            "slow": undone(slow),
            "slow, one at a time": undone(one_at_a_time(slow), one_at_a_time(script)),
        }
    )
)
