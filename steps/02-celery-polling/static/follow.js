// How updates reach the page: it polls every two seconds, whether or not there is an update.

const EVERY = 2000;

export function follow({ onPoll }) {
  // The first poll waits for a random part of the two seconds. Otherwise polls and updates both
  // count from the click, and each update would be seen immediately, or each after two seconds.
  let timer = setTimeout(poll, EVERY * Math.random());
  let stopped = false;

  async function poll() {
    await onPoll(); // GET /tasks, and the page shows what has changed
    if (!stopped) timer = setTimeout(poll, EVERY);
  }

  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}
