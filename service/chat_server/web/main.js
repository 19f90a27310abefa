// The page put together: who is signed in, what is on the screen, and what goes on beneath it.

import { account } from "./account.js";
import { notify, showUnread, withdraw } from "./attention.js";
import { banner } from "./banner.js";
import { Blocks } from "./blocks.js";
import { Chat } from "./chat.js";
import { Connection } from "./connection.js";
import { ask } from "./dialog.js";
import { ICONS, element, focusHeading, icon } from "./dom.js";
import { enter } from "./entrance.js";
import { people } from "./people.js";
import { Session } from "./session.js";
import { Store } from "./store.js";
import { thread } from "./thread.js";

const place = document.getElementById("page");
const { registration, version } = document.documentElement.dataset;

/** Why chatting can't work in this browser; empty if it can. */
function lacking() {
  if (!("WebSocket" in window)) return "This browser has no WebSocket, so no message can reach it. Another or a newer one has.";
  if (!("indexedDB" in window)) return "This browser keeps nothing for this page, so a message could get lost. Another or a newer one does.";
  return "";
}

async function main() {
  const lack = lacking();
  if (lack) {
    document.getElementById("state").textContent = lack;
    return;
  }
  sessionStorage.removeItem("chat-tries"); // all files have come: start.js
  navigator.serviceWorker?.register(trusted(`page/${version}/worker.js`), { scope: "./" }).catch((error) => console.info(error.message));
  for (let why = ""; ; ) {
    why = await chatAs(Session.restore() ?? (await signedIn(why)));
  }
}

/** The session that somebody begins here, or in another tab. */
async function signedIn(why) {
  const done = new AbortController();
  const elsewhere = new Promise((resolve) => {
    const seen = () => {
      const session = Session.restore();
      if (session) resolve(session);
    };
    addEventListener("storage", seen, { signal: done.signal });
  });
  const session = await Promise.race([enter(place, { registration, why }), elsewhere]);
  done.abort();
  return session;
}

/** Everything while somebody is signed in; gives why that has ended. */
async function chatAs(session) {
  const over = new Promise((resolve) => session.addEventListener("ended", ({ detail }) => resolve(detail), { once: true }));
  const store = await Store.open(session.userId);
  const connection = new Connection(session);
  const chat = new Chat(session, store, connection);
  await chat.restore();
  const screen = show({ session, store, connection, chat });
  connection.run();
  const { why, forget } = await over;
  connection.stop();
  screen.end();
  if (forget === "read") await store.dropRead();
  store.close();
  if (forget === "all") await Store.remove(session.userId);
  return why;
}

function show({ session, store, connection, chat }) {
  const blocks = new Blocks(session);
  const go = (hash) => (location.hash = hash);
  const open = (conversation) => go(`#/with/${conversation.id}`);
  const back = () => go("#/");
  const list = people(chat, { session, open });
  const { line, told, end: endBanner } = banner(connection);
  const pane = element("main", { class: "pane" });
  const me = element("a", { class: "me", href: "#/account" }, icon(ICONS.person), element("bdi", {}, session.username));
  const side = element("nav", { class: "side", "aria-label": "Conversations" }, element("header", { class: "bar" }, element("h1", {}, document.title.replace(/^\(\d+\) /u, "")), me), list.node);
  const screen = element("div", { class: "screen" }, line, told, side, pane);
  let shown = { close() {} };
  let missing = "";
  let unread = 0;

  const switchable = {
    has: (userId) => blocks.has(userId),
    async toggle({ name, facts: { participantId } }) {
      if (blocks.has(participantId)) return blocks.set(participantId, false);
      const text = `${name} can't write to you then, nor see whether you are online. They are not told.`;
      return ask({ title: `Block ${name}?`, text, action: "Block" }, () => blocks.set(participantId, true));
    },
  };

  function route() {
    const [, kind, id] = location.hash.split("/");
    const conversation = kind === "with" && chat.conversation(id);
    missing = kind === "with" && !conversation ? id : "";
    const wasAccount = pane.querySelector(".account") !== null;
    shown.close();
    if (conversation) shown = thread(chat, conversation, { store, blocks: switchable, back });
    else if (kind === "account") shown = account({ session, blocks, back, unsent: () => chat.outbox.count() });
    else shown = { node: element("p", { class: "quiet hint" }, "Choose a conversation, or find somebody to write to."), close() {} };
    const from = list.mark(conversation ? id : "");
    screen.classList.toggle("aside", Boolean(conversation) || kind === "account");
    pane.replaceChildren(shown.node);
    focusWhatIsShown({ isAside: screen.classList.contains("aside"), from: wasAccount ? me : from });
  }

  /** Where a finger points, a keyboard would cover half the screen; and a narrow screen has hidden where one was. */
  function focusWhatIsShown({ isAside, from }) {
    const isFine = matchMedia("(pointer: fine)").matches;
    if (isFine && shown.focus) shown.focus();
    else if (isFine && !matchMedia("(width < 48rem)").matches) return;
    else if (isAside) focusHeading(pane);
    else from?.focus();
  }

  const counted = () => {
    if (chat.unread < unread) withdraw((id) => chat.conversation(id)?.facts.unreadCount === 0);
    unread = chat.unread;
    showUnread(unread);
    if (chat.conversation(missing)) route();
  };
  /** The browser asks whether to leave; only while it must, for some browsers keep no page that might ask for going back. */
  const leaving = (event) => chat.outbox.isAtRisk && event.preventDefault();
  const risked = () => (chat.outbox.isAtRisk ? addEventListener : removeEventListener)("beforeunload", leaving);
  const arrived = ({ detail }) => notify(detail, open);
  const opened = ({ data }) => data.open && go(`#/with/${data.open}`);
  addEventListener("hashchange", route);
  navigator.serviceWorker?.addEventListener("message", opened);
  chat.addEventListener("change", counted);
  chat.addEventListener("change", risked);
  chat.addEventListener("arrived", arrived);
  blocks.addEventListener("change", () => chat.dispatchEvent(new CustomEvent("change", { detail: null })));
  connection.addEventListener("state", () => connection.state === "open" && blocks.load().catch(() => {}));
  place.replaceChildren(screen);
  route();

  return {
    end() {
      removeEventListener("hashchange", route);
      chat.removeEventListener("change", risked);
      removeEventListener("beforeunload", leaving);
      navigator.serviceWorker?.removeEventListener("message", opened);
      shown.close();
      endBanner();
      showUnread(0);
      withdraw(() => true);
      for (const dialog of document.querySelectorAll("dialog")) dialog.close("");
      history.replaceState(null, "", "#/");
    },
  };
}

/** The one address that code is loaded from beside imports (Trusted Types). */
function trusted(address) {
  const policy = window.trustedTypes?.createPolicy("worker", { createScriptURL: (url) => url });
  return policy ? policy.createScriptURL(address) : address;
}

main().catch((error) => {
  place.replaceChildren(element("main", { class: "starting" }, element("p", { role: "alert" }, `This page has failed: ${error.message} Loading it again may help.`)));
  throw error;
});
