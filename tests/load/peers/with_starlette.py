"""sse-starlette: with a Redis subscription for each stream, and with one for each process."""

import asyncio
import contextlib
import json
import os

from redis.asyncio import Redis
from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

redis = Redis.from_url(os.environ["REDIS_URL"])
listeners: dict[str, set[asyncio.Queue]] = {}


def event(message):
    update = json.loads(message["data"])
    return {"event": update["type"], "data": json.dumps(update["data"])}


async def index(request):
    return PlainTextResponse("up")


async def stream(request):
    async def events():
        async with redis.pubsub(ignore_subscribe_messages=True) as pubsub:
            await pubsub.subscribe(request.query_params["channel"])
            async for message in pubsub.listen():
                yield event(message)

    return EventSourceResponse(events())


async def stream_from_hub(request):
    channel, queue = request.query_params["channel"], asyncio.Queue(100)
    listeners.setdefault(channel, set()).add(queue)

    async def events():
        try:
            while True:
                yield await queue.get()
        finally:
            listeners[channel].discard(queue)

    return EventSourceResponse(events())


async def read():
    async with redis.pubsub(ignore_subscribe_messages=True) as pubsub:
        await pubsub.psubscribe("user-*")
        async for message in pubsub.listen():
            for queue in listeners.get(message["channel"].decode(), ()):
                queue.put_nowait(event(message))


@contextlib.asynccontextmanager
async def with_hub(app):
    reader = asyncio.create_task(read())
    yield
    reader.cancel()


app = Starlette(routes=[Route("/", index), Route("/stream", stream)])
hub_app = Starlette(
    routes=[Route("/", index), Route("/stream", stream_from_hub)], lifespan=with_hub
)
