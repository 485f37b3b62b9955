"""What happens to a step in months, in minutes: its processes and connections come and go."""

import itertools
import random
import signal

import psutil
import redis

from servers import print_nothing
from workshop.processes import Process, Running

PUBSUB, WORKER = "pubsub connections cut", "new Celery worker"
KILL, RESTART = "a web worker killed", "web restarted"
CYCLE = (PUBSUB, KILL, WORKER, RESTART, PUBSUB, WORKER, PUBSUB, WORKER)
NUMBERS = itertools.count(2)
REPLACES_WEB_WORKERS = (KILL, RESTART)


class Disturber:
    def __init__(self, step: Running, worker: str, env: dict[str, str], store: redis.Redis):
        self.step, self.store = step, store
        self.newest = "worker"
        self.command, self.env = worker, env | {"REDIS_URL": step.redis_url}
        self.master = psutil.Process(step.processes["web"].popen.pid)

    def disturb(self, name: str):
        {
            PUBSUB: self.cut_subscriptions,
            WORKER: self.replace_worker,
            KILL: self.kill_a_web_worker,
            RESTART: self.restart_web,
        }[name]()

    def cut_subscriptions(self):
        """Those of Celery too, which then gets its tasks delivered once more."""
        self.store.client_kill_filter(_type="pubsub")

    def replace_worker(self):
        """The old one finishes its jobs while the new one begins."""
        processes = self.step.processes
        for name in [name for name in processes if name != "web"]:
            if not processes[name].alive():
                processes.pop(name).stop()
        processes[self.newest].popen.send_signal(signal.SIGTERM)
        self.newest = f"worker-{next(NUMBERS)}"
        processes[self.newest] = Process(
            self.newest, self.command, self.step.step, self.env, print_nothing
        )

    def kill_a_web_worker(self):
        random.choice(self.master.children()).kill()

    def restart_web(self):
        self.master.send_signal(signal.SIGHUP)
