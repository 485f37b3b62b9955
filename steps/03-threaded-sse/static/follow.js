// How updates reach the page: one EventSource receives them for all tasks, as they happen.

const TYPES = ["progress", "complete", "error", "cancelled"];

export function follow({ onOpen, onEvent, onLost }) {
  const source = new EventSource("/tasks/stream?all=true");
  source.onopen = onOpen;
  for (const type of TYPES) source.addEventListener(type, arrived);

  function arrived(event) {
    // "error" is also the name of EventSource's own trouble, which comes without data.
    if (event.data === undefined) return onLost(source.readyState === EventSource.CLOSED);
    onEvent(event);
  }

  return () => source.close();
}
