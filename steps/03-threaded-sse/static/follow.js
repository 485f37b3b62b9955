// How news reaches the page: one EventSource for each task, and the server speaks.

import { count } from "./meter.js";
import { request } from "./request.js";

const TYPES = ["progress", "complete", "error", "cancelled"];
const ENDED = ["SUCCESS", "FAILURE", "CANCELLED"];

export function follow(taskId, { onTask, onEvent, onLight, onTrouble, onGone }) {
  const source = new EventSource(`/tasks/stream?task_ids=${taskId}`);

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
    // The browser tries again by itself, unless the answer was an error: then it never will.
    if (source.readyState !== EventSource.CLOSED) return onTrouble();
    const { status, body } = await request(`/tasks/${taskId}`);
    if (status === 200) onTrouble();
    else onGone(body);
  }

  function stop() {
    source.close();
    onLight("closed");
  }

  onLight("connecting");
  source.onopen = () => {
    count({ requests: 1 });
    onLight("live");
  };
  for (const type of TYPES) source.addEventListener(type, arrived);
  return stop;
}

// As the server sent it. What a browser does not tell of is left out: headers and comments.
function sizeOf(event) {
  return new Blob([`event: ${event.type}\ndata: ${event.data}\n\n`]).size;
}
