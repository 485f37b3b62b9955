// How news reaches the page: one EventSource for all tasks. Where streams keep failing, the page
// asks every two seconds instead, and tries a stream again later.

import { count } from "./meter.js";
import { request } from "./request.js";

const TYPES = ["progress", "complete", "error", "cancelled", "heartbeat", "reset"];
const ENDED = ["SUCCESS", "FAILURE", "CANCELLED"];
const REFUSED = 401;
const EVERY = 2000;
const MOST_FAILURES = 3; // of streams, one after another, before the page asks instead
const MOST_POLLS = 16; // before it tries a stream again; 1 at first, and then twice as many
const LONGEST_OPENING = 10_000; // a proxy that holds the stream back never opens it
const LONGEST_RETRY = 4000; // before the browser comes back by itself, as the server told it
const LONGEST_ANSWER = 10_000;
const LONGEST_SILENCE = 65_000; // more than two heartbeats: nobody is at the other end

export function follow({ onTask, onEvent, onLight, onTrouble, onGone }) {
  const running = new Set();
  let lastId = "";
  let failures = 0;
  let attempts = 0; // to open a stream: who waits for an answer sees whether another has tried
  let polls = 1;
  let away = false; // the server itself, and not only its streams
  let asked = false; // until then, others may run than those of which the stream has told
  let source;
  let timer;
  let watchdog;

  // Follows all that runs; for a task that has just been started, its id makes sure of it.
  function listen(taskId) {
    if (taskId) running.add(taskId);
    if (source) return;
    clearTimeout(timer);
    attempts += 1;
    onLight("connecting");
    // Last-Event-ID is sent only by a browser that comes back by itself.
    source = new EventSource(`/tasks/stream?all=true&last_event_id=${lastId}`);
    source.onopen = opened;
    for (const type of TYPES) source.addEventListener(type, arrived);
    watch(LONGEST_OPENING);
  }

  function opened() {
    count({ requests: 1 });
    onLight("live");
    onTrouble(null);
    watch(LONGEST_SILENCE);
    if (!asked) ask();
  }

  function arrived(event) {
    // "error" is also the name of EventSource's own trouble, which comes without data.
    if (event.data === undefined) return trouble();
    failures = 0;
    polls = 1;
    lastId = event.lastEventId || lastId;
    watch(LONGEST_SILENCE);
    count({ bytes: sizeOf(event) });
    onEvent(event.type, event.data);
    if (event.type === "reset") ask(); // what all tasks are now follows; who is missing, is gone
    const news = JSON.parse(event.data);
    if (news.task_id) {
      onTrouble(null); // Redis is back, if it was away
      told(news);
    }
    if (asked && running.size === 0) finish();
  }

  function told(task) {
    if (ENDED.includes(task.state)) running.delete(task.task_id);
    else running.add(task.task_id);
    onTask(task);
  }

  function trouble() {
    failures += 1;
    onLight("lost");
    // The browser comes back by itself, unless the answer was an error: then it never does.
    if (source.readyState === EventSource.CLOSED || failures >= MOST_FAILURES) again();
    else watch(LONGEST_RETRY + LONGEST_OPENING);
  }

  async function again() {
    close("lost");
    if (failures >= MOST_FAILURES) return askInstead();
    const pause = EVERY + EVERY * Math.random(); // not everybody at once
    const before = attempts;
    if ((await ask()) && attempts === before) timer = setTimeout(() => listen(), pause);
  }

  function askInstead() {
    poll(polls);
    polls = Math.min(2 * polls, MOST_POLLS);
  }

  // A server that comes back is asked for a stream at once: the buffer has what was missed.
  async function poll(left) {
    onLight("polling");
    const before = attempts;
    const wasAway = away;
    if (!(await ask()) || attempts > before) return;
    if (wasAway && !away) return listen();
    const enough = left <= 1 && !away;
    timer = setTimeout(() => (enough ? listen() : poll(left - 1)), EVERY);
  }

  // Asks how all tasks are, and returns whether there is anything to wait for.
  async function ask() {
    const expected = [...running];
    const { status, body } = await request("/tasks", { signal: AbortSignal.timeout(LONGEST_ANSWER) });
    away = status !== 200;
    if (away) {
      onTrouble(body);
      if (status === REFUSED) close("refused");
      return status !== REFUSED;
    }
    asked = true;
    onTrouble(null);
    body.tasks.reverse().forEach(told); // the newest last, as if they had just been told
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

  function close(light) {
    clearTimeout(timer);
    clearTimeout(watchdog);
    source?.close();
    source = null;
    onLight(light);
  }

  return { ask, listen };
}

// As the server sent it. What a browser does not tell of is left out: headers and comments.
function sizeOf({ type, data, lastEventId }) {
  return new Blob([`id: ${lastEventId}\nevent: ${type}\ndata: ${data}\n\n`]).size;
}
