// How updates reach the page: one EventSource receives them for all tasks, as they happen.

const TYPES = ["progress", "complete", "error", "cancelled", "heartbeat", "reset"];
let lastId = "";

export function follow({ onOpen, onEvent, onLost }) {
  // A browser that reconnects by itself sends Last-Event-ID. A new EventSource doesn't.
  const source = new EventSource(`/tasks/stream?all=true&last_event_id=${lastId}`);
  source.onopen = onOpen;
  for (const type of TYPES) source.addEventListener(type, arrived);

  function arrived(event) {
    // "error" is also the name of EventSource's own trouble, which comes without data.
    if (event.data === undefined) return onLost(source.readyState === EventSource.CLOSED);
    lastId = event.lastEventId || lastId;
    onEvent(event);
  }

  return () => source.close();
}
