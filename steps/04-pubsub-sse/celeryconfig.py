"""Celery's settings, each with its reason.

https://docs.celeryq.dev/en/stable/userguide/configuration.html
"""

from store import REDIS_URL

LONGEST_RUN = 15 * 60  # seconds

broker_url = REDIS_URL
task_ignore_result = True  # events.py keeps the state of each task
# Otherwise each thread makes a backend of its own, and searches all installed packages for it.
result_backend_thread_safe = True
# With pickle, anyone who can write to Redis could run code here.
accept_content = ["json"]
# A task is acknowledged when it has ended, so that the task of a dead worker is delivered again.
task_acks_late = True
# Deliver it again also if only a child process of the worker dies, instead of calling it failed.
task_reject_on_worker_lost = True
# Redis can't see whether a worker lives: it delivers a task again that takes longer than this.
broker_transport_options = {"visibility_timeout": LONGEST_RUN + 60}
task_soft_time_limit = LONGEST_RUN  # an exception in the task, which can still report it
task_time_limit = LONGEST_RUN + 30  # kills the process
# A worker takes no task that it can't start immediately.
worker_prefetch_multiplier = 1
# When Redis is away, POST /tasks fails in a second instead of trying for twenty.
task_publish_retry_policy = {"max_retries": 1, "interval_start": 0.2}
broker_connection_timeout = 1
broker_connection_retry_on_startup = True
