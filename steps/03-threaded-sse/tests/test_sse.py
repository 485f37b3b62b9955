"""What is written to the wire is read back, whatever the text and however it is cut."""

from itertools import pairwise

import httpx
import pytest
from httpx_sse import EventSource
from hypothesis import given
from hypothesis import strategies as st

import sse


def read_back(chunks):
    headers = {"Content-Type": "text/event-stream"}
    response = httpx.Response(200, headers=headers, content=iter(chunks))
    # Without data there is no event, says the standard; this library makes one all the same.
    return [event for event in EventSource(response).iter_sse() if event.data]


def cut(wire, places):
    edges = [0, *sorted(place % (len(wire) + 1) for place in places), len(wire)]
    return [wire[start:end] for start, end in pairwise(edges)]


@given(messages=st.lists(st.text(), max_size=5), places=st.lists(st.integers(0, 10_000)))
def test_any_message_cut_anywhere_comes_back(messages, places):
    sent = [sse.Event(str(n), "progress", {"message": m}) for n, m in enumerate(messages)]
    wire = b"".join(sse.comment("keep-alive") + sse.encode(event) for event in sent)
    got = read_back(cut(wire, places))
    assert [(event.id, event.event, event.json()) for event in got] == sent


@pytest.mark.parametrize("bad", ["a\nb", "a\rb", "a\r\nb", "a\0b"])
def test_nothing_breaks_out_of_its_line(bad):
    for event in (sse.Event(bad, "progress", {}), sse.Event("1", bad, {})):
        with pytest.raises(ValueError, match="no line break"):
            sse.encode(event)


def test_the_first_bytes_do_not_wait_for_an_event():
    def events():
        raise AssertionError("asked for an event first")
        yield

    first = next(sse.stream(events()))
    assert first.startswith(b"retry: ")
    assert first.endswith(b": connected\n\n")


def test_the_events_are_closed_when_the_stream_is():
    closed = []

    def events():
        try:
            while True:
                yield None
        finally:
            closed.append(True)

    stream = sse.stream(events())
    assert [next(stream), next(stream)][1] == b": keep-alive\n\n"
    stream.close()
    assert closed == [True]
