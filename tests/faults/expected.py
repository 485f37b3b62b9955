"""What people lose, by step and fault. They survive, or recover from, all other faults."""

from watches import HELD

SHOWN = "the job, and the page says so"
SHOWN_LATE = "the job, and the page says so after 65 s of silence"
BATCHES = "live updates: they arrive in batches"
POLL = "most of the streams: these clients poll"

LOST = {
    "01-sync": {
        "web-killed": SHOWN,
        "web-asked-to-stop": SHOWN,
        "client-leaves": SHOWN,
        "proxy-is-impatient": SHOWN,
    },
    "02-celery-polling": {
        "job-hangs": SHOWN,
        "redis-emptied": SHOWN,
    },
    "03-threaded-sse": {
        "web-killed": SHOWN,
        "web-asked-to-stop": SHOWN,
        "redis-away-for-15-s": SHOWN_LATE,
        "redis-emptied": SHOWN_LATE,
        "clients-stall": HELD,
        "proxy-is-stubborn": BATCHES,
    },
    "04-pubsub-sse": {
        "job-hangs": SHOWN,
        "redis-emptied": SHOWN,
        "clients-stall": HELD,
        "clients-come-back": POLL,
        "proxy-is-stubborn": BATCHES,
    },
    # Its README gives the reasons.
    "05-gunicorn-gevent": {
        "job-hangs": SHOWN,
        "redis-emptied": SHOWN,
        "proxy-is-stubborn": BATCHES,
    },
}
