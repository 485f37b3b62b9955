"""What the web processes of a running step have and use, looked at every second."""

import contextlib
import threading
from urllib.parse import urlsplit

import psutil


def cost(sample: list[dict], people: int, updates: int) -> dict:
    """The most that the web processes had of each; memory and CPU beyond what they had before
    the first person came."""
    before = sample[0]
    most = {name: max(look[name] for look in sample) for name in before}
    cpu = most.pop("web CPU s") - before["web CPU s"]
    return {
        **most,
        "web MB": round(most["web MB"], 1),
        "KB per person": round(1000 * (most["web MB"] - before["web MB"]) / people),
        "CPU s per 1000 updates": round(1000 * cpu / updates, 2) if updates else "",
    }


@contextlib.contextmanager
def sampled(step):
    """A list of what the web processes have, before the block and every second while it runs."""
    web = psutil.Process(step.processes["web"].popen.pid)
    sample, over = [look(web, step.redis_url)], threading.Event()

    def watch():
        while not over.wait(1):
            with contextlib.suppress(psutil.Error):
                sample.append(look(web, step.redis_url))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield sample
    finally:
        over.set()
        watcher.join()


def look(web: psutil.Process, redis_url: str | None) -> dict:
    processes = [web, *web.children(recursive=True)]
    redis_port = redis_url and urlsplit(redis_url).port
    return {
        "web MB": sum(process.memory_full_info().pss for process in processes) / 1e6,
        "web CPU s": sum(sum(process.cpu_times()[:2]) for process in processes),
        "web threads": sum(process.num_threads() for process in processes),
        "web files": sum(process.num_fds() for process in processes),
        "redis connections": sum(connections(process, redis_port) for process in processes),
    }


def connections(process, port):
    """To Redis, of this process."""
    others = [connection.raddr for connection in process.net_connections("tcp")]
    return sum(bool(other) and other.port == port for other in others)
