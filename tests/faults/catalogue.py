"""The faults. Each is done to a running step, and returns what it did to a person there."""

import contextlib
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from crowds import all_together, stalled
from lab import Lab
from watches import HELD, Outcome
from workshop.testing import Person

ALL, ASYNC, CELERY, STREAMS, PUBSUB = (1, 2, 3, 4, 5), (2, 3, 4, 5), (2, 4, 5), (3, 4, 5), (4, 5)
FAULTS = {}  # by name: (title, the numbers of the steps where it can happen, function)


def fault(title: str, steps: tuple[int, ...]):
    def keep(function):
        FAULTS[function.__name__.replace("_", "-")] = (title, steps, function)
        return function

    return keep


@fault("The web process is killed, and started again", ALL)
def web_killed(lab: Lab) -> Outcome:
    return stopped_and_started(lab, "web")


@fault("The web process is asked to stop (SIGTERM), and started again", ALL)
def web_asked_to_stop(lab: Lab) -> Outcome:
    return stopped_and_started(lab, "web-term")


def stopped_and_started(lab, how):
    watch = lab.watch()
    lab.do(how)
    lab.step.processes["web"].popen.wait(20)
    lab.start("web")
    return watch.outcome()


@fault("gunicorn's workers are killed", (5,))
def web_workers_killed(lab: Lab) -> Outcome:
    return simply(lab, "web-workers")


@fault("gunicorn's workers are asked to stop (SIGTERM)", (5,))
def web_workers_asked_to_stop(lab: Lab) -> Outcome:
    return simply(lab, "web-workers-term")


@fault("gunicorn is reloaded (HUP), with 12 people", (5,))
def reloaded(lab: Lab) -> Outcome:
    return once_pools_have_grown(lambda: reloaded_under(lab, 12))


def reloaded_under(lab, people):
    with ThreadPoolExecutor(people) as pool:
        crowd = [pool.submit(lab.watch) for _ in range(people)]
        crowd[0].result()
        lab.do("web-hup")
        watches = [person.result() for person in crowd]
        for watch in watches:
            watch.wait()  # what another stream still holds is not a leak
        return worst(pool.map(lambda watch: watch.outcome(), watches))


@fault("The process that does the job is killed", CELERY)
def worker_child_killed(lab: Lab) -> Outcome:
    return simply(lab, "worker-children")


@fault("The whole worker is killed, another is started, and the visibility timeout ends", CELERY)
def worker_killed(lab: Lab) -> Outcome:
    watch = lab.watch()
    for child in lab.process("worker").children():
        child.suspend()  # otherwise it would still finish the job
    lab.do("worker")
    lab.step.processes["worker"].stop()
    lab.start("worker")
    lab.do("redelivery")
    return watch.outcome()


@fault("The worker is asked to stop (SIGTERM), and another is started", CELERY)
def worker_asked_to_stop(lab: Lab) -> Outcome:
    watch = lab.watch()
    lab.do("worker-term")
    lab.start("worker")
    return watch.outcome()


@fault("The job hangs in code that cannot be interrupted, beyond its time limit", CELERY)
def job_hangs(lab: Lab) -> Outcome:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory())) / lab.folder.name
        impatient = Lab(copy_with_a_time_limit(lab.folder, folder), stack)
        watch = impatient.watch()
        children = impatient.process("worker").children()
        for child in children:
            child.suspend()
        outcome = watch.outcome()
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.resume()
        return outcome


def copy_with_a_time_limit(step, folder):
    shutil.copytree(step, folder)
    with (folder / "celeryconfig.py").open("a") as settings:
        # Celery looks at the hard limit only when the soft one is over.
        settings.write("task_soft_time_limit, task_time_limit = 2, 4\n")
    return folder


@fault("The visibility timeout is shorter than the job, which is delivered twice", CELERY)
def delivered_twice(lab: Lab) -> Outcome:
    return simply(lab, "redelivery")


@fault("Redis does not answer for 1 s", ASYNC)
def redis_away_for_1_s(lab: Lab) -> Outcome:
    return simply(lab, "redis", 1)


@fault("Redis does not answer for 15 s", ASYNC)
def redis_away_for_15_s(lab: Lab) -> Outcome:
    return simply(lab, "redis", 15)


@fault("Redis is restarted, and has kept its data", ASYNC)
def redis_restarted(lab: Lab) -> Outcome:
    watch = lab.watch()
    said = lab.redis.info("server")
    server, config = psutil.Process(said["process_id"]), Path(said["config_file"])
    lab.redis.shutdown(save=True)
    server.wait(20)
    lab.run("redis", f"{said['executable']} {config}", config.parent, {})
    outcome = watch.outcome()
    assert lab.redis.info("server")["run_id"] != said["run_id"]  # it happened
    return outcome


@fault("Redis loses all its data", ASYNC)
def redis_emptied(lab: Lab) -> Outcome:
    return simply(lab, "redis-empty")


@fault("Redis closes the connections of all subscribers", PUBSUB)
def subscribers_cut_off(lab: Lab) -> Outcome:
    watch = lab.watch()
    before = {client["id"] for client in lab.redis.client_list(_type="pubsub")}
    lab.do("subscribers")
    after = {client["id"] for client in lab.redis.client_list(_type="pubsub")}
    assert before
    assert not before & after  # it happened
    return watch.outcome()


@fault("Redis disconnects a subscriber at the limit of its output buffer", PUBSUB)
def subscribers_too_slow(lab: Lab) -> Outcome:
    outcome = simply(lab, "slow-subscribers")
    assert lab.redis.info("stats")["client_output_buffer_limit_disconnections"]  # it happened
    return outcome


@fault("A client leaves, and comes back", ALL)
def client_leaves(lab: Lab) -> Outcome:
    return lab.watch(leaves=True).outcome()


@fault("50 clients leave in the middle of a stream", STREAMS)
def clients_leave(lab: Lab) -> Outcome:
    return once_pools_have_grown(lambda: leaving(lab, 50))


def leaving(lab, people):
    watch = lab.watch()
    with contextlib.ExitStack() as streams:
        for _ in range(people):
            path = f"/tasks/stream?task_ids={watch.task_id}"
            streams.enter_context(watch.person.stream("GET", path)).raise_for_status()
    return watch.outcome()


@fault("25 clients stop reading", STREAMS)
def clients_stall(lab: Lab) -> Outcome:
    watch = lab.watch()
    with Person(lab.url) as another, stalled(lab, another, 25):
        return watch.outcome()


@fault("500 clients come back at the same time", STREAMS)
def clients_come_back(lab: Lab) -> Outcome:
    return once_pools_have_grown(lambda: coming_back(lab, 500))


def coming_back(lab, people):
    watch = lab.watch()
    failed = all_together(lab, watch, people)
    outcome = watch.outcome()
    return Outcome("lost", failed) if failed else outcome


@fault("A proxy that buffers, unless a response asks it not to", ALL)
def proxy_buffers(lab: Lab) -> Outcome:
    return behind(lab, "proxy_buffering on;")


@fault("A proxy that buffers and compresses, whatever a response asks", ALL)
def proxy_is_stubborn(lab: Lab) -> Outcome:
    compress = "gzip on; gzip_types text/event-stream; gzip_min_length 0;"
    return behind(lab, f"proxy_ignore_headers X-Accel-Buffering; {compress}")


def behind(lab, options):
    watch = lab.watch(lab.proxy(options))
    late = watch.is_behind()
    outcome = watch.outcome()
    return Outcome("lost", "live updates: they arrive in batches") if late else outcome


@fault("A proxy that closes a connection after a short silence", ALL)
def proxy_is_impatient(lab: Lab) -> Outcome:
    with contextlib.ExitStack() as stack:
        slow = Lab(lab.folder, stack, JOB_PACE="2")
        return slow.watch(slow.proxy("proxy_read_timeout 1500ms;")).outcome()


def simply(lab, *what):
    watch = lab.watch()
    lab.do(*what)
    return watch.outcome()


def once_pools_have_grown(crowd):
    """With the first crowds, pools of connections grow to their size. A leak grows every time."""
    for _ in range(4):
        outcome = crowd()
        if outcome.what != HELD:
            break
    return outcome


def worst(outcomes):
    order = ("survived", "recovered", "lost")
    return max(outcomes, key=lambda outcome: (order.index(outcome.result), outcome.seconds or 0))
