// How news reaches the page: it asks every two seconds, whether there is news or not.

import { request } from "./request.js";

const EVERY = 2000;
const ENDED = ["SUCCESS", "FAILURE"];
const REFUSED = [401, 404];

export function follow(taskId, { onTask, onTrouble, onGone }) {
  let timer;
  let stopped = false;

  async function ask() {
    const { status, body } = await request(`/tasks/${taskId}`);
    if (stopped) return;
    if (REFUSED.includes(status)) return onGone(body);
    if (status === 200) onTask(body);
    else onTrouble(body);
    if (!ENDED.includes(body.state)) timer = setTimeout(ask, EVERY);
  }

  ask();
  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}
