"""What is written to the wire is read back, whatever the text and however it is cut."""

import re
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


@given(texts=st.lists(st.text(min_size=1), max_size=5), places=st.lists(st.integers(0, 10_000)))
def test_any_text_cut_anywhere_comes_back(texts, places):
    sent = [sse.Event(str(number), "progress", text) for number, text in enumerate(texts)]
    wire = b"".join(b": keep-alive\n\n" + sse.encode(event) for event in sent)
    got = read_back(cut(wire, places))
    # On the wire every line break is the same.
    data = [re.sub("\r\n|\r", "\n", text) for text in texts]
    assert [(event.id, event.event, event.data) for event in got] == [
        (str(number), "progress", text) for number, text in enumerate(data)
    ]


@pytest.mark.parametrize("bad", ["a\nb", "a\rb", "a\r\nb", "a\0b"])
def test_nothing_breaks_out_of_its_line(bad):
    for event in (sse.Event(bad, "progress", "{}"), sse.Event("1", bad, "{}")):
        with pytest.raises(ValueError, match="no line break"):
            sse.encode(event)


def test_a_batch_is_sent_in_one_piece_and_retry_in_a_block_with_the_first_event():
    batch = [sse.Event(None, "progress", text) for text in "ab"]
    connected, *pieces = sse.pieces([[], batch, [], batch])
    assert connected == b": connected\n\n"
    assert pieces[0] == pieces[2] == b": keep-alive\n\n"
    assert re.fullmatch(rb"retry: \d{4}\n" + pieces[3], pieces[1])
    assert pieces[3] == b"event: progress\ndata: a\n\nevent: progress\ndata: b\n\n"


def test_the_first_bytes_do_not_wait_for_an_event():
    def never():
        raise AssertionError("asked for an event first")
        yield

    assert next(sse.pieces(never())) == b": connected\n\n"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("pieces", [0, 1, 2])
def test_the_stream_is_closed_with_the_response_even_if_it_never_began(method, pieces):
    stream = Stream()
    response = sse.response(stream)
    body = response({"REQUEST_METHOD": method}, lambda status, headers: None)
    for _ in zip(range(pieces), body, strict=False):
        pass
    body.close()
    assert stream.closed


class Stream:
    """Silent batches, without an end."""

    closed = False

    def __iter__(self):
        while True:
            yield []

    def close(self):
        self.closed = True


@pytest.mark.parametrize("id", [None, "1"])
def test_a_client_that_takes_a_block_without_data_for_an_event_gets_none(id):
    batches = [[], [sse.Event(None, "progress", "{}")], []] if id is None else []
    batches += [[sse.Event(id, "progress", "{}")]] * 2
    headers = {"Content-Type": "text/event-stream"}
    response = httpx.Response(200, headers=headers, content=sse.pieces(batches))
    assert {event.data for event in EventSource(response).iter_sse()} == {"{}"}
