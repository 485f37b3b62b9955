"""Every error is {error, hint} in JSON. The page shows both to the person."""

from kombu.exceptions import OperationalError
from redis.exceptions import ConnectionError, OutOfMemoryError, TimeoutError
from werkzeug.exceptions import HTTPException

import jobs
import store

HINTS = {
    401: "Open the page first, or send a token: POST /tokens gives you one.",
    404: "It never was, has expired after a day, or belongs to someone else.",
    405: "Check the method: GET for the page, POST for a new task.",
    413: "Documents may have up to 5 MB. Split it, or leave out its pictures.",
    500: "Try again. If it happens again, the log of the server says why.",
}


def handle(app):
    app.register_error_handler(jobs.BadInput, lambda bad: answer(400, bad.error, bad.hint))
    app.register_error_handler(HTTPException, http_error)
    app.register_error_handler(store.QueueFull, queue_full)
    app.register_error_handler(OutOfMemoryError, redis_full)
    for away in (ConnectionError, TimeoutError, OperationalError):
        app.register_error_handler(away, redis_away)


def http_error(error):
    kept = ("Allow", "WWW-Authenticate")
    headers = [header for header in error.get_response().headers if header[0] in kept]
    return answer(error.code, f"{error.name}.", HINTS.get(error.code, error.description), headers)


def queue_full(error):
    return answer(
        429,
        f"{store.MOST_WAITING} of your tasks are waiting already.",
        "Wait until a worker has taken one of them.",
        {"Retry-After": 30},
    )


def redis_away(error):
    return answer(
        503,
        "Redis is away.",
        "Try again in a moment. What runs goes on.",
        {"Retry-After": 5},
    )


def redis_full(error):
    return answer(
        503,
        "Redis has no memory left.",
        "Try again later. Tasks are forgotten after a day, which gives memory back.",
        {"Retry-After": 60},
    )


def answer(status, error, hint, headers=()):
    return {"error": error, "hint": hint}, status, headers
