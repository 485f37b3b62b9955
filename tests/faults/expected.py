"""What people lose, by step and fault. All else is survived, or recovered from."""

from watches import HELD

TOLD = "the job, and the page says so"
HEAPS = "live news: they come in heaps"
POLL = "most of the streams: these people poll"

LOST = {
    "01-sync": {
        "web-killed": TOLD,
        "web-asked-to-stop": TOLD,
        "client-leaves": TOLD,
        "proxy-is-impatient": TOLD,
    },
    "02-celery-polling": {
        "job-hangs": TOLD,
        "redis-emptied": TOLD,
    },
    "03-threaded-sse": {
        "web-killed": TOLD,
        "web-asked-to-stop": TOLD,
        "proxy-is-stubborn": HEAPS,
    },
    "04-pubsub-sse": {
        "job-hangs": TOLD,
        "redis-emptied": TOLD,
        "clients-stall": HELD,
        "clients-come-back": POLL,
        "proxy-is-stubborn": HEAPS,
    },
    # Said in its README, with the reason.
    "05-gunicorn-gevent": {
        "job-hangs": TOLD,
        "redis-emptied": TOLD,
        "proxy-is-stubborn": HEAPS,
    },
}
