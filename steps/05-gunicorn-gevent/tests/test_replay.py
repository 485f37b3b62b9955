"""Every event exactly once and in order, however often a client is cut off."""

import random
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from workshop.testing import Person, eventually

JOB_PACE = 0.1
TASKS, CLIENTS = 20, 4
NEWS = ("progress", "complete", "error", "cancelled")


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_clients_that_are_cut_off_at_random_miss_nothing(step, start_step, seed):
    """Two workers publish the events of one user, at the same time, in eight processes."""
    start_step(redis_url=step.redis_url, commands={"web": None})
    with Person(step.url) as person, redis.Redis.from_url(step.redis_url) as store:
        store.flushall()
        task_ids = [person.task_id("optimize") for _ in range(TASKS)]
        with ThreadPoolExecutor(CLIENTS) as pool:
            heard = pool.map(
                lambda number: ids_heard(person, random.Random(f"{seed} {number}")),
                range(CLIENTS),
            )
            heard = list(heard)
        for task_id in task_ids:
            assert eventually(lambda task_id=task_id: person.task(task_id)["result"])
        (buffer,) = store.keys("task_events:*")
        published = [id.decode() for id, _ in store.xrange(buffer)]
    assert len(published) >= TASKS * 8
    for ids in heard:
        assert ids == published[published.index(ids[0]) :]


def ids_heard(person, chance):
    """All ids, over many streams that are cut off after some events, until nothing is left."""
    ids = []
    with Person(str(person.base_url), cookies=person.cookies) as client:
        while not all_told(client, ids):
            ids += some_ids(client, ids, chance)
    return ids


def all_told(client, ids):
    query, headers = position(ids, "header")
    return client.head(f"/tasks/stream?{query}", headers=headers).status_code == 204


def some_ids(client, ids, chance):
    """From where the client was, by header or by query, until it is cut off."""
    some, most = [], chance.randint(1, 25)
    query, headers = position(ids, chance.choice(["header", "query"]))
    events = client.listen(query, **headers)
    for id, type, _ in events:
        if type in NEWS and id:  # of a snapshot only the end has one
            some.append(id)
        if len(some) >= most:
            events.close()
    return some


def position(ids, way):
    if not ids:
        return "all=true", {}
    if way == "header":
        return "all=true", {"Last-Event-ID": ids[-1]}
    return f"all=true&last_event_id={ids[-1]}", {}
