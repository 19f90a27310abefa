// The list of conversations, and finding people as their names are typed.

import { query } from "./api.js";
import { complaintOf } from "./entrance.js";
import { busyWhile, element, heard, oncePerFrame, reconcile, say } from "./dom.js";
import { when } from "./text.js";

const PAUSE_MS = 200;
const MOST_FOUND = 20;

/**
 * @param {import("./chat.js").Chat} chat
 * @param {{session: object, open: (conversation: object) => void}} options
 */
export function people(chat, { session, open }) {
  const list = element("ul", { class: "conversations", "aria-label": "Conversations" });
  const empty = element("p", { class: "quiet" }, "Nobody yet. Type a name above to find somebody to write to.");
  const more = element("button", { type: "button", class: "link", hidden: true }, "Show more");
  const trouble = element("p", { class: "complaint", role: "alert" });
  const finding = finder({ session, choose: async (userId) => open(await chat.start(userId)) });
  let current = "";

  const render = oncePerFrame(() => {
    const conversations = chat.conversations;
    reconcile(list, conversations.map((each) => ({ key: each.id, make: () => row(each.id), update: (node) => fill(node, each, current) })));
    empty.hidden = conversations.length > 0;
    if (!chat.hasMore && document.activeElement === more) list.lastElementChild?.firstChild.focus();
    more.hidden = !chat.hasMore;
  });
  more.onclick = busyWhile(more, () => chat.loadMore().then(() => say(trouble, ""), (error) => say(trouble, complaintOf(error))));
  chat.addEventListener("change", render);

  const known = element("div", { class: "known" }, list, empty, trouble, more);
  finding.onsearch = (searching) => (known.hidden = searching);
  return {
    node: element("div", { class: "people" }, finding.field, finding.results, known),
    /** Marks the conversation that is shown beside the list; gives the row of the one before. */
    mark(id) {
      const before = list.querySelector("[aria-current]");
      current = id;
      render();
      return before;
    },
  };
}

function row(id) {
  return element(
    "li",
    {},
    element(
      "a",
      { href: `#/with/${id}` },
      element("span", { class: "dot" }),
      element("bdi", { class: "name" }),
      element("time", {}),
      element("span", { class: "last", dir: "auto" }),
      element("span", { class: "unread" }),
    ),
  );
}

function fill(node, { id, name, facts, isTyping, lastAt }, current) {
  const [dot, who, at, last, unread] = node.firstChild.children;
  if (id === current) node.firstChild.setAttribute("aria-current", "page");
  else node.firstChild.removeAttribute("aria-current");
  dot.classList.toggle("online", facts.participantIsOnline);
  dot.replaceChildren(...(facts.participantIsOnline ? [heard("online")] : []));
  say(who, name);
  say(at, lastAt ? when(lastAt) : "");
  say(last, isTyping ? "typing…" : (facts.lastMessage ?? ""));
  unread.hidden = !facts.unreadCount;
  if (unread.dataset.count === String(facts.unreadCount)) return;
  unread.dataset.count = facts.unreadCount;
  unread.replaceChildren(String(facts.unreadCount), heard(" unread"));
}

/** Finds people while a name is typed: not at every letter, and no old answer takes the place of a newer one. */
function finder({ session, choose }) {
  const input = element("input", { type: "search", id: "find", autocomplete: "off", autocapitalize: "none", maxlength: 50, placeholder: "Find people" });
  const told = element("p", { class: "quiet", role: "status" });
  const list = element("ul", { class: "found", "aria-label": "People found" });
  const results = element("div", { hidden: true }, told, list);
  const made = { field: element("p", { class: "find" }, element("label", { class: "heard", for: "find" }, "Find people"), input), results, onsearch: () => {} };
  let asking = new AbortController();
  let timer = 0;

  async function find(name) {
    asking = new AbortController();
    try {
      const { results: found, total } = await session.call("GET", query("users/search", { q: name, limit: MOST_FOUND }), { signal: asking.signal });
      list.replaceChildren(...found.map(person));
      say(told, total ? `${total} found` : `Nobody's name begins with “${name}”.`);
    } catch (error) {
      if (!asking.signal.aborted) say(told, complaintOf(error));
    }
  }

  function person({ userId, username, isOnline }) {
    const chosen = async () => {
      try {
        await choose(userId);
        input.value = "";
        changed();
      } catch (error) {
        say(told, complaintOf(error));
      }
    };
    return element("li", {}, element("button", { type: "button", onclick: chosen }, element("span", { class: `dot${isOnline ? " online" : ""}` }), element("bdi", {}, username)));
  }

  function changed() {
    clearTimeout(timer);
    asking.abort();
    const name = input.value.trim();
    results.hidden = !name;
    made.onsearch(Boolean(name));
    if (name) timer = setTimeout(() => find(name), PAUSE_MS);
    else list.replaceChildren();
  }

  input.oninput = changed;
  input.onkeydown = (event) => {
    if (event.key === "Escape") {
      input.value = "";
      changed();
    }
    if (event.key === "ArrowDown") list.querySelector("button")?.focus();
  };
  return made;
}
