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
    wire = b"".join(sse.comment("keep-alive") + sse.encode(event) for event in sent)
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


def test_what_is_in_one_batch_is_sent_in_one_piece():
    batch = [sse.Event(None, "progress", text) for text in "ab"]
    _, piece, silence = sse.Stream(batches([batch, []]))
    assert piece == b"event: progress\ndata: a\n\nevent: progress\ndata: b\n\n"
    assert silence == b": keep-alive\n\n"


def test_the_first_bytes_do_not_wait_for_an_event():
    def never():
        raise AssertionError("asked for an event first")
        yield

    first = next(sse.Stream(never()))
    assert first.startswith(b"retry: ")
    assert first.endswith(b": connected\n\n")


def test_the_batches_are_closed_with_the_stream_even_if_it_never_began():
    class Batches:
        closed = False

        def close(self):
            self.closed = True

    never_asked = Batches()
    sse.Stream(never_asked).close()
    assert never_asked.closed


def batches(these):
    yield from these
