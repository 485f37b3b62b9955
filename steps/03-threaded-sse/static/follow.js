// How news reaches the page: one EventSource for each task, and the server speaks.

import { count } from "./meter.js";
import { request } from "./request.js";

const TYPES = ["progress", "complete", "error", "cancelled"];
const ENDED = ["SUCCESS", "FAILURE", "CANCELLED"];
const REFUSED = [401, 404];

export function follow(taskId, { onTask, onEvent, onLight, onTrouble, onGone }) {
  let source;
  let timer;
  let stopped = false;

  function open() {
    onLight("connecting");
    source = new EventSource(`/tasks/stream?task_ids=${taskId}`);
    source.onopen = () => {
      count({ requests: 1 });
      onLight("live");
    };
    for (const type of TYPES) source.addEventListener(type, arrived);
  }

  function arrived(event) {
    // "error" is also the name of EventSource's own trouble, which comes without data.
    if (event.data === undefined) return trouble();
    count({ bytes: sizeOf(event) });
    const task = JSON.parse(event.data);
    onEvent(event.type, event.data);
    onTask(task);
    if (ENDED.includes(task.state)) stop();
  }

  async function trouble() {
    onLight("lost");
    onTrouble();
    // The browser comes back by itself, unless the answer was an error: then it never does.
    if (source.readyState !== EventSource.CLOSED) return;
    const { status, body } = await request(`/tasks/${taskId}`);
    if (stopped) return;
    if (REFUSED.includes(status)) onGone(body);
    else timer = setTimeout(open, 2000 + 2000 * Math.random());
  }

  function stop() {
    stopped = true;
    clearTimeout(timer);
    source.close();
    onLight("closed");
  }

  open();
  return stop;
}

// As the server sent it. What a browser does not tell of is left out: headers and comments.
function sizeOf(event) {
  return new Blob([`event: ${event.type}\ndata: ${event.data}\n\n`]).size;
}
