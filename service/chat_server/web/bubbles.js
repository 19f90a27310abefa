// The messages of a conversation as a list: days, the line above what is unread, bubbles and how far each has got.

import { element, heard, say } from "./dom.js";
import { day, midnight, moment, pieces, time } from "./text.js";

const MARKS = { pending: "◷", sent: "✓", delivered: "✓✓", read: "✓✓", failed: "!" };
const NAMES = { pending: "waiting to be sent", sent: "sent", delivered: "delivered", read: "read", failed: "not sent" };
const TOGETHER_MS = 5 * 60_000;

/**
 * What the list has to show, for `reconcile`.
 * @param {import("./conversation.js").Conversation} conversation
 * @param {{me: string, unsent: object[], unreadAfter: number | null, retry: Function, discard: Function}} options `unreadAfter`:
 *   how far this person had read: the line stands above the other's first message after that; null for none
 */
export function bubbles(conversation, { me, unsent, unreadAfter, retry, discard }) {
  const shown = [];
  let before = null;
  // Where the first one after it is not at hand, nobody knows whose it is.
  let isLineDue = unreadAfter !== null && conversation.firstSeq <= unreadAfter + 1;
  for (const message of [...conversation.messages, ...conversation.ahead]) {
    if (!before || midnight(before.createdAt) !== midnight(message.createdAt)) shown.push(separator(message.createdAt));
    if (isLineDue && message.seq > unreadAfter && message.senderId !== me) {
      shown.push(UNREAD);
      isLineDue = false;
    }
    shown.push(stored(message, before, { conversation, me }));
    before = message;
  }
  if (conversation.isAway) return shown;
  const here = new Set(shown.map(({ key }) => key));
  // One that is stored is not yet out of the outbox at once.
  for (const entry of unsent) if (!here.has(keyOf(entry))) shown.push(waiting(entry, { retry, discard }));
  return shown;
}

// What is written here has the same key while it waits and when it is stored, so that it stays where it is.
const keyOf = ({ id }) => `mine-${id}`;
const UNREAD = { key: "unread", make: () => element("li", { class: "divider unread-line" }, element("span", {}, "New messages")) };

function separator(at) {
  return {
    key: `day-${midnight(at)}`,
    make: () => element("li", { class: "divider" }, element("span", {})),
    update: (node) => say(node.firstChild, day(at)),
  };
}

function stored(message, before, { conversation, me }) {
  const mine = message.senderId === me;
  const together = before?.senderId === message.senderId && message.createdAt - before.createdAt < TOGETHER_MS;
  return {
    key: mine ? keyOf(message) : `seq-${message.seq}`,
    make: () => bubble(message.content, message.createdAt, mine),
    update(node) {
      node.id = `message-${message.seq}`;
      node.classList.toggle("together", together);
      node.querySelector(".complaint")?.remove();
      if (mine) mark(node, conversation.statusOf(message));
    },
  };
}

function waiting(entry, { retry, discard }) {
  return {
    key: keyOf(entry),
    make: () => bubble(entry.content, entry.writtenAt, true),
    update(node) {
      mark(node, entry.failure ? "failed" : "pending");
      const standing = node.querySelector(".complaint");
      // Made anew, its buttons would lose the focus, and a click that has begun.
      if (entry.failure && standing?.firstChild.data === notSent(entry)) return;
      standing?.remove();
      if (entry.failure) node.append(complaint(entry, { retry, discard }));
    },
  };
}

/** Why an entry was not sent, in words. */
export const notSent = ({ failure }) => `Not sent: ${failure.message} `;

function bubble(content, at, mine) {
  return element(
    "li",
    { class: mine ? "mine" : "theirs" },
    heard(mine ? "You: " : ""),
    element("p", { class: "content", dir: "auto" }, ...pieces(content).map(piece)),
    element("span", { class: "about" }, element("time", { datetime: new Date(at).toISOString(), title: moment(at) }, time(at)), mine && element("span", { class: "mark" })),
  );
}

function piece({ text, href }) {
  return href ? element("a", { href, target: "_blank", rel: "noopener noreferrer nofollow" }, text) : text;
}

function mark(node, status) {
  const place = node.querySelector(".mark");
  if (place.dataset.status === status) return;
  place.dataset.status = status;
  place.title = NAMES[status];
  place.replaceChildren(element("span", { "aria-hidden": "true" }, MARKS[status]), heard(NAMES[status]));
}

function complaint(entry, { retry, discard }) {
  const button = (name, act) => element("button", { type: "button", class: "link", onclick: () => act(entry) }, name);
  const again = entry.failure.code === "RECIPIENT_DELETED" ? [] : [button("Try again", retry), " "];
  return element("p", { class: "complaint" }, notSent(entry), ...again, button("Discard", discard));
}
