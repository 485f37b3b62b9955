"""The hub and its bells: nothing wakes too late, nothing grows with the number of channels."""

import contextlib
import threading
from threading import Thread

import pytest

import bell
import hub as hub_module
from bell import Bell
from hub import RING, Hub
from workshop.testing import eventually


@pytest.fixture
def hub(monkeypatch):
    """A hub of its own, whose reader runs only in the tests that let it."""
    fresh = Hub()
    monkeypatch.setattr(bell, "hub", fresh)
    fresh.started = True
    return fresh


def test_a_message_that_comes_just_before_the_wait_wakes_the_stream(hub, monkeypatch):
    stream = Bell("user")

    def flag():
        stream.put(b"message")
        return threading.Event()

    monkeypatch.setattr(bell, "Flag", flag)
    taken = []
    Thread(target=lambda: taken.append(stream.wait()), daemon=True).start()
    eventually(lambda: taken == [[b"message"]], 10)


def test_a_stream_stops_even_with_messages_waiting(hub):
    stream = Bell("user")
    stream.put(b"message")
    hub.stop()
    assert stream.wait() is None


def test_stopping_wakes_the_streams_that_wait(hub):
    taken = []
    stream = Bell("user")
    Thread(target=lambda: taken.append(stream.wait()), daemon=True).start()
    eventually(lambda: stream.flag)
    hub.stop()
    eventually(lambda: taken == [None])


def test_what_a_slow_stream_missed_becomes_one_ring(hub):
    stream = Bell("user")
    for number in range(bell.MAX_WAITING + 1):
        stream.put(f"{number}".encode())
    assert stream.wait() == [RING]


def test_the_last_stream_of_a_channel_takes_it_along(hub):
    streams = [Bell("user") for _ in range(3)]
    for stream in streams:
        stream.close()
        stream.close()  # a second time does no harm
    assert (hub.streams, set(hub.bells)) == (0, {hub_module.CONTROL})


class Channels(dict):
    """Counts how often all channels are gone through."""

    walks = 0

    def __iter__(self):
        self.walks += 1
        return super().__iter__()

    def keys(self):
        self.walks += 1
        return super().keys()


def test_a_message_costs_the_same_with_any_number_of_channels(hub):
    with contextlib.closing(hub_module.redis.pubsub()) as pubsub:
        stream = Bell("user")
        pubsub.subscribe(hub_module.CONTROL)
        hub.subscribe(pubsub)
        hub.bells = Channels(hub.bells)
        for _ in range(10):
            hub.subscribe(pubsub)
            hub.receive({"type": "message", "channel": stream.channel, "data": b"message"})
        assert stream.wait() == 10 * [b"message"]
        assert hub.bells.walks == 0
