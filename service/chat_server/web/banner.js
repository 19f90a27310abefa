// A line at the top while there is no connection: what is happening, and a way to try at once.

import { element, say } from "./dom.js";

const PATIENCE_MS = 1500;

const NO_NETWORK = "This device has no network. What you write is sent when it has.";

/**
 * Follows a connection. Short interruptions show nothing. `told` is for who listens to the page: it is there before its
 * words are, for it would not be heard otherwise, and has a cause once, and once that it is over.
 */
export function banner(connection) {
  const words = element("span");
  const told = element("p", { class: "heard", role: "status" });
  const now = element("button", { type: "button", class: "link", onclick: () => connection.hurry() }, "Try now");
  const line = element("aside", { class: "banner", "aria-label": "Connection", hidden: true }, words, now);
  let since = 0;

  function show() {
    const { state, retryAt, trouble } = connection;
    if (state === "open" || state === "closed") since = 0;
    else since ||= Date.now();
    const shown = since > 0 && Date.now() - since >= PATIENCE_MS;
    line.hidden = !shown;
    now.hidden = state !== "waiting";
    say(words, shown ? sentence(state, retryAt, trouble) : "");
    if (shown) say(told, cause(state, trouble) ?? told.textContent);
    else if (state === "open" && told.textContent) say(told, "Connected again.");
  }

  connection.addEventListener("state", show);
  const timer = setInterval(() => (connection.state === "open" ? null : show()), 500);
  return { line, told, end: () => clearInterval(timer) };
}

/** Why there is no connection, once that is found out: while it is tried again, what was known of it may be wrong. */
function cause(state, trouble) {
  if (!navigator.onLine) return NO_NETWORK;
  return state === "waiting" ? trouble : null;
}

function sentence(state, retryAt, trouble) {
  if (!navigator.onLine) return NO_NETWORK;
  if (state === "connecting") return trouble ? `${trouble} Connecting…` : "Connecting…";
  const seconds = Math.ceil((retryAt - Date.now()) / 1000);
  // In steps: a number that changes each second would draw the eye each second.
  return `${trouble} Trying again ${seconds > 5 ? `in ${Math.ceil(seconds / 5) * 5} seconds` : "in a moment"}.`;
}
