// One conversation on the screen.

import { bubbles, notSent } from "./bubbles.js";
import { composer } from "./composer.js";
import { ICONS, element, iconButton, oncePerFrame, reconcile, say } from "./dom.js";
import { UnreachableError } from "./api.js";
import { complaintOf } from "./entrance.js";
import { searching } from "./searching.js";
import { moment } from "./text.js";

const NEAR_PX = 80;
const AHEAD_PX = 600;

/**
 * @param {import("./chat.js").Chat} chat
 * @param {import("./conversation.js").Conversation} conversation
 * @param {{store: object, blocks: object, back: () => void}} options
 */
export function thread(chat, conversation, { store, blocks, back }) {
  const list = element("ol", { class: "messages" });
  const scroller = element("div", { class: "scroller", tabindex: 0, role: "region" }, list);
  const news = element("p", { class: "heard", role: "log" });
  const trouble = element("p", { class: "complaint", role: "alert" });
  const typing = element("p", { class: "typing", role: "status" });
  const newest = iconButton(ICONS.down, "To the newest message", { class: "icon-button newest", hidden: true, onclick: toNewest });
  const head = header(conversation, { back, search: () => search.toggle(), blocks, block: () => attempt(() => blocks.toggle(conversation), complaintOf) });
  const search = searching(chat, conversation, { show: showMatch, closed: () => head.search.focus() });
  const writing = composer({ store, conversation, send, typing: (isTyping) => chat.typing(conversation, isTyping) });
  let unreadAfter = null;
  let isSeenComing = false; // what is unread: it came while this person looked
  const older = turns();
  const others = turns();
  let stuck = true; // to the newest message, as long as nobody scrolls away from it

  const render = oncePerFrame(() => {
    const { me, outbox } = chat;
    drawLine();
    const fromEnd = scroller.scrollHeight - scroller.scrollTop;
    const first = list.querySelector("[id]")?.id;
    const options = { me, unreadAfter, unsent: outbox.of(conversation.id), retry, discard };
    reconcile(list, bubbles(conversation, options));
    if (stuck && !conversation.isAway) scroller.scrollTop = scroller.scrollHeight;
    // What was put in above must not move what is being read.
    else if (first !== list.querySelector("[id]")?.id) scroller.scrollTop = scroller.scrollHeight - fromEnd;
    head.update();
    name();
    say(typing, conversation.isTyping ? `${conversation.name} is typing…` : "");
    if (conversation.isDeleted && writing.form.contains(document.activeElement)) focus();
    writing.form.hidden = conversation.isDeleted;
    scrolled();
    read();
  });

  function atEnd() {
    return scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR_PX;
  }

  function scrolled() {
    const above = scroller.scrollTop;
    const below = scroller.scrollHeight - above - scroller.clientHeight;
    newest.hidden = atEnd() && conversation.isAtNewest;
    if (!conversation.messages.length) return;
    if (above < AHEAD_PX && conversation.hasOlder && older.areFree) older.take(() => attempt(() => chat.history.loadOlder(conversation)));
    if (below < AHEAD_PX && !conversation.isAtNewest && others.areFree) load(() => chat.history.loadNewer(conversation));
  }

  const load = (page) => others.take(() => attempt(page));

  async function attempt(work, complaint = complaintOfPage) {
    try {
      await work();
      say(trouble, "");
    } catch (error) {
      say(trouble, complaint(error));
    }
  }

  function name() {
    scroller.setAttribute("aria-label", `Messages with ${conversation.name}`);
    node.setAttribute("aria-label", `Conversation with ${conversation.name}`);
  }

  /** A line stands above what came while nobody looked, and stays where it is when that has been read. */
  function drawLine() {
    const { unreadCount, myReadSeq } = conversation.facts;
    if (!unreadCount) isSeenComing = false;
    else if (!isSeenComing) unreadAfter = myReadSeq;
  }

  function read() {
    drawLine();
    if (isElsewhere() || !conversation.isAtNewest || !atEnd()) return;
    chat.read(conversation);
  }

  async function send(text) {
    stuck = true;
    unreadAfter = null;
    isSeenComing = true; // who answers has seen it
    await chat.send(conversation, text);
    await toNewest();
  }

  function retry(entry) {
    chat.outbox.retry(entry);
    focus();
  }

  function discard(entry) {
    chat.outbox.discard(entry);
    focus();
  }

  /** Where one goes on when the button that was pressed is gone. */
  function focus() {
    if (conversation.isDeleted) scroller.focus();
    else writing.focus();
  }

  async function toNewest() {
    stuck = true;
    await load(() => chat.history.jumpToNewest(conversation));
    scroller.scrollTop = scroller.scrollHeight;
  }

  async function showMatch(seq) {
    stuck = false;
    const isAtHand = conversation.firstSeq <= seq && seq <= conversation.upTo;
    if (!isAtHand) await load(() => chat.history.jump(conversation, seq));
    // After the next painting, which has it.
    requestAnimationFrame(() => requestAnimationFrame(() => point(list.querySelector(`#message-${seq}`))));
  }

  function arrived({ detail }) {
    if (detail.conversation !== conversation) return;
    const isSeen = !detail.isLate && !isElsewhere();
    if (!isSeen || conversation.facts.unreadCount === 1) isSeenComing = isSeen; // those before it stay unseen
    announce(`${conversation.name}: ${detail.message.content}`);
  }

  function failed({ detail: entry }) {
    const { outbox } = chat;
    if (entry.failure && entry.conversationId === conversation.id && outbox.entry(entry.id)) announce(notSent(entry));
  }

  /** Always by another node: the same words twice are heard twice. */
  function announce(words) {
    news.replaceChildren(element("span", {}, words));
  }

  function changed({ detail }) {
    if (detail === conversation || detail === null) render();
  }

  scroller.onscroll = () => {
    stuck = atEnd();
    scrolled();
    read();
  };
  chat.addEventListener("change", changed);
  chat.addEventListener("arrived", arrived);
  chat.outbox.addEventListener("change", failed);
  addEventListener("focus", render);
  const resized = new ResizeObserver(() => stuck && (scroller.scrollTop = scroller.scrollHeight));
  resized.observe(scroller);
  const node = element("section", { class: "thread" }, head.node, search.node, trouble, scroller, newest, typing, writing.form, news);
  load(() => chat.history.open(conversation));
  render();

  return {
    node,
    focus: writing.focus,
    close() {
      conversation.isWanted = false;
      writing.keepDraft();
      resized.disconnect();
      chat.removeEventListener("change", changed);
      chat.removeEventListener("arrived", arrived);
      chat.outbox.removeEventListener("change", failed);
      removeEventListener("focus", render);
    },
  };
}

const isElsewhere = () => document.hidden || !document.hasFocus();

/** Without a connection the line at the top says so, and it is tried again when there is one. */
const complaintOfPage = (error) => (error instanceof UnreachableError ? "" : complaintOf(error));

/** Work that is done one after the other; it never fails. */
function turns() {
  let current = null;
  return {
    get areFree() {
      return current === null;
    },
    async take(work) {
      while (current) await current;
      current = work().finally(() => (current = null));
      await current;
    },
  };
}

function header(conversation, { back, search, blocks, block: toggle }) {
  const who = element("bdi", {});
  const state = element("span", { class: "quiet" });
  const block = iconButton(ICONS.block, "Block", { onclick: toggle });
  const searchButton = iconButton(ICONS.search, "Search this conversation", { onclick: search });
  return {
    search: searchButton,
    node: element(
      "header",
      { class: "bar" },
      iconButton(ICONS.back, "Back to the list", { class: "icon-button back", onclick: back }),
      element("h2", {}, who, state),
      searchButton,
      block,
    ),
    update() {
      const { participantIsOnline, participantId, lastSeenAt } = conversation.facts;
      say(who, conversation.name);
      block.hidden = conversation.isDeleted;
      say(state, participantIsOnline ? "online" : lastSeenAt ? `last seen ${moment(lastSeenAt)}` : "");
      const name = blocks.has(participantId) ? "Unblock" : "Block";
      block.title = name;
      block.setAttribute("aria-label", name);
      block.setAttribute("aria-pressed", blocks.has(participantId));
    },
  };
}

function point(node) {
  if (!node) return;
  node.scrollIntoView({ block: "center" });
  node.classList.remove("pointed");
  void node.offsetWidth; // begins the animation again
  node.classList.add("pointed");
}

