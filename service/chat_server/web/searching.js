// Searching a conversation: the matches, what was looked for marked in them, each leading to its message.

import { ICONS, element, iconButton, say } from "./dom.js";
import { complaintOf } from "./entrance.js";
import { marked, when } from "./text.js";

const PAUSE_MS = 250;

/**
 * @param {import("./chat.js").Chat} chat
 * @param {import("./conversation.js").Conversation} conversation
 * @param {{show: (seq: number) => void, closed: () => void}} options
 */
export function searching(chat, conversation, { show, closed }) {
  const input = element("input", { type: "search", id: "search", maxlength: 500, autocomplete: "off", placeholder: "Search this conversation" });
  const told = element("p", { class: "quiet", role: "status" });
  const list = element("ul", { class: "matches", "aria-label": "Matches" });
  const further = element("button", { type: "button", class: "link", hidden: true, onclick: () => find(input.value, next) }, "Search further back");
  const close = iconButton(ICONS.close, "Close the search", { onclick: () => toggle() });
  const panel = element("div", { class: "searching", role: "search", hidden: true }, element("p", { class: "find" }, element("label", { class: "heard", for: "search" }, "Search this conversation"), input, close), told, list, further);
  let asking = new AbortController();
  let timer = 0;
  let next = 0;

  async function find(words, before = 0) {
    asking.abort();
    asking = new AbortController();
    const { signal } = asking;
    try {
      const found = await chat.history.search(conversation, words, { before, signal });
      if (!before) list.replaceChildren();
      list.append(...found.matches.map((match) => row(match, words)));
      next = found.searchedToSeq;
      further.hidden = !found.hasMore;
      say(told, list.children.length ? `${list.children.length} found` : found.hasMore ? "Nothing yet" : "Nothing found");
    } catch (error) {
      if (!signal.aborted) say(told, complaintOf(error));
    }
  }

  function row({ seq, senderUsername, content, createdAt }, words) {
    const text = around(content, words);
    return element(
      "li",
      {},
      element(
        "button",
        { type: "button", onclick: () => show(seq) },
        element("span", { class: "quiet" }, element("bdi", {}, senderUsername), ` · ${when(createdAt)}`),
        element("span", { class: "match", dir: "auto" }, ...marked(text, words).map((piece) => (piece.found ? element("mark", {}, piece.text) : piece.text))),
      ),
    );
  }

  function toggle() {
    panel.hidden = !panel.hidden;
    if (panel.hidden) closed();
    else input.focus();
  }

  input.oninput = () => {
    clearTimeout(timer);
    asking.abort();
    list.replaceChildren();
    further.hidden = true;
    say(told, "");
    const words = input.value;
    if (words) timer = setTimeout(() => find(words), PAUSE_MS);
  };
  panel.onkeydown = (event) => event.key === "Escape" && toggle();
  return { node: panel, toggle };
}

/** The part of a long text that has what was looked for. */
function around(text, words) {
  const at = text.toLowerCase().indexOf(words.toLowerCase());
  const from = Math.max(0, at - 60);
  return `${from ? "…" : ""}${text.slice(from, from + 200)}${text.length > from + 200 ? "…" : ""}`;
}
