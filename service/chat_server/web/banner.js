// A line at the top while there is no connection: what is happening, and a way to try at once.

import { element, say } from "./dom.js";

const PATIENCE_MS = 1500;

/** Follows a connection. Short interruptions show nothing. */
export function banner(connection) {
  const words = element("span", { role: "status" });
  const now = element("button", { type: "button", class: "link", onclick: () => connection.hurry() }, "Try now");
  const line = element("div", { class: "banner", hidden: true }, words, now);
  let since = 0;

  function show() {
    const { state, retryAt, trouble } = connection;
    if (state === "open" || state === "closed") since = 0;
    else since ||= Date.now();
    const shown = since > 0 && Date.now() - since >= PATIENCE_MS;
    line.hidden = !shown;
    now.hidden = state !== "waiting";
    say(words, shown ? sentence(state, retryAt, trouble) : "");
  }

  connection.addEventListener("state", show);
  const timer = setInterval(() => (connection.state === "open" ? null : show()), 500);
  return { line, end: () => clearInterval(timer) };
}

function sentence(state, retryAt, trouble) {
  if (!navigator.onLine) return "This device has no network. What you write is sent when it has.";
  if (state === "connecting") return trouble ? `${trouble} Connecting…` : "Connecting…";
  const seconds = Math.ceil((retryAt - Date.now()) / 1000);
  // Said in steps: a number that changes each second would be read aloud each second.
  return `${trouble} Trying again ${seconds > 5 ? `in ${Math.ceil(seconds / 5) * 5} seconds` : "in a moment"}.`;
}
