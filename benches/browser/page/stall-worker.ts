/** Knocks at the page's door: a message with the time at which it was sent, as often as timers allow. */
const INTERVAL_MS = 2;

setInterval(() => postMessage(performance.timeOrigin + performance.now()), INTERVAL_MS);
