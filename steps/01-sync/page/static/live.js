// Keeps the page up to date: follows the tasks for as long as one of them runs. When following
// fails, the page tries again later, and asks for all tasks every two seconds in the meantime.

import { follow } from "/static/follow.js";
import { count } from "./meter.js";
import { request } from "./request.js";

const ENDED = ["SUCCESS", "FAILURE", "CANCELLED"];
const UNKNOWN_USER = 401;
const EVERY = 2000;
const MOST_FAILURES = 3; // of streams, one after another, before the page polls instead
const MOST_POLLS = 16; // before it tries a stream again; 1 at first, then twice as many each time
const LONGEST_OPENING = 10_000; // a proxy that holds the stream back never opens it
const LONGEST_RETRY = 4000; // after this, the browser reconnects by itself: the server says so
const LONGEST_ANSWER = 10_000;
const LONGEST_SILENCE = 65_000; // more than two heartbeats: the connection is dead

export function keepLive({ onTask, onEvent, onLight, onTrouble, onGone }) {
  const running = new Set();
  let stop = null; // ends following; null when the page doesn't follow
  let failures = 0;
  let attempts = 0; // to follow: shows whether another one began during an answer
  let polls = 1;
  let streams = false; // until the step opens a stream, the page has no light to show
  let away = false; // the server itself doesn't answer, not only its streams
  let asked = false; // until then, more tasks may run than those that the stream has named
  let timer;
  let watchdog;

  // Follows all running tasks. A task that has just been started is named, so that none is missed.
  function listen(taskId) {
    if (taskId) running.add(taskId);
    if (stop) return;
    clearTimeout(timer);
    attempts += 1;
    light("connecting");
    stop = follow({ onOpen: opened, onEvent: arrived, onLost: lost, onPoll: polled });
    watch(LONGEST_OPENING);
  }

  function opened() {
    streams = true;
    count({ requests: 1 });
    light("live");
    onTrouble(null);
    watch(LONGEST_SILENCE);
    if (!asked) ask();
  }

  function arrived(event) {
    failures = 0;
    polls = 1;
    watch(LONGEST_SILENCE);
    count({ bytes: sizeOf(event) });
    onEvent(event.type, event.data);
    if (event.type === "reset") ask(); // shows which tasks the server no longer knows
    const task = JSON.parse(event.data);
    if (task.task_id) {
      onTrouble(null); // Redis is back, if it was away
      show(task);
    }
    if (asked && running.size === 0) finish();
  }

  async function polled() {
    watch(LONGEST_SILENCE);
    await ask();
  }

  function show(task) {
    if (ENDED.includes(task.state)) running.delete(task.task_id);
    else running.add(task.task_id);
    onTask(task);
  }

  // The browser reconnects by itself, unless the server answered with an error.
  function lost(forGood) {
    streams = true;
    failures += 1;
    light("lost");
    if (forGood || failures >= MOST_FAILURES) again();
    else watch(LONGEST_RETRY + LONGEST_OPENING);
  }

  async function again() {
    close("lost");
    if (failures >= MOST_FAILURES) return pollInstead();
    const pause = EVERY + EVERY * Math.random(); // so that not all browsers return together
    const before = attempts;
    if ((await ask()) && attempts === before) timer = setTimeout(() => listen(), pause);
  }

  function pollInstead() {
    poll(polls);
    polls = Math.min(2 * polls, MOST_POLLS);
  }

  // When the server comes back, the page opens a stream immediately, which sends what it missed.
  async function poll(left) {
    light("polling");
    const before = attempts;
    const wasAway = away;
    if (!(await ask()) || attempts > before) return;
    if (wasAway && !away) return listen();
    const enough = left <= 1 && !away;
    timer = setTimeout(() => (enough ? listen() : poll(left - 1)), EVERY);
  }

  // Asks for all tasks, and returns whether there is something to wait for.
  async function ask() {
    const expected = [...running];
    const options = { signal: AbortSignal.timeout(LONGEST_ANSWER) };
    const { status, body } = await request("/tasks", options);
    away = status !== 200;
    if (away) {
      onTrouble(body);
      if (status === UNKNOWN_USER) close("refused");
      return status !== UNKNOWN_USER;
    }
    asked = true;
    onTrouble(null);
    body.tasks.reverse().forEach(show); // the newest last, as if they had just arrived
    const found = body.tasks.map((task) => task.task_id);
    for (const taskId of expected.filter((id) => !found.includes(id))) gone(taskId);
    if (running.size === 0) finish();
    return running.size > 0;
  }

  function gone(taskId) {
    running.delete(taskId);
    onGone(taskId);
  }

  function watch(patience) {
    clearTimeout(watchdog);
    watchdog = setTimeout(() => {
      failures += 1;
      again();
    }, patience);
  }

  function finish() {
    failures = 0;
    polls = 1;
    close("closed");
  }

  function close(why) {
    clearTimeout(timer);
    clearTimeout(watchdog);
    stop?.();
    stop = null;
    light(why);
  }

  function light(colour) {
    if (streams) onLight(colour);
  }

  return { ask, listen };
}

// The size of an event on the wire. Headers and comments are missing: a browser doesn't show them.
function sizeOf({ type, data, lastEventId }) {
  const id = lastEventId ? `id: ${lastEventId}\n` : "";
  return new Blob([`${id}event: ${type}\ndata: ${data}\n\n`]).size;
}
