// All conversations of the person who is signed in: what the server says, what is kept here, and what is to be sent.

import { query } from "./api.js";
import { Conversation } from "./conversation.js";
import { Outbox } from "./outbox.js";

const PAGE = 50;
const LIST_PAGE = 50;
const MOST_CATCH_UP = 300;

/**
 * Tells `change` when anything is to be shown anew (`detail`: the conversation, or null for the list of them),
 * `arrived` when a message of the other person's has come (`detail`: it), and `refused` when sending failed for good.
 */
export class Chat extends EventTarget {
  hasMore = false;
  #session;
  #store;
  #connection;
  #cursor = null;
  #conversations = new Map();

  constructor(session, store, connection) {
    super();
    this.#session = session;
    this.#store = store;
    this.#connection = connection;
    this.outbox = new Outbox(store, connection);
    this.outbox.addEventListener("change", ({ detail }) => this.#changed(this.#conversations.get(detail.conversationId)));
    connection.addEventListener("frame", ({ detail }) => this.#heard(detail));
  }

  get me() {
    return this.#session.userId;
  }

  /** The conversations, those with the newest activity first. */
  get conversations() {
    return [...this.#conversations.values()].sort((one, other) => other.lastAt - one.lastAt);
  }

  get unread() {
    return this.conversations.reduce((sum, conversation) => sum + conversation.facts.unreadCount, 0);
  }

  conversation(id) {
    return this.#conversations.get(id);
  }

  /** Shows what this browser has kept, before the server is asked. */
  async restore() {
    for (const facts of await this.#store.conversations()) {
      this.#conversations.set(facts.conversationId, new Conversation({ ...facts, participantIsOnline: false }));
    }
    await this.outbox.load();
    this.#changed(null);
  }

  /** The next page of the list of conversations. */
  async loadMore() {
    const path = query("conversations", { limit: LIST_PAGE, ...(this.#cursor && { cursor: this.#cursor }) });
    const { conversations, hasMore, nextCursor } = await this.#session.call("GET", path);
    this.#learn(conversations);
    this.hasMore = hasMore;
    this.#cursor = nextCursor;
    this.#changed(null);
  }

  /** The conversation with a person, begun where there is none. */
  async start(userId) {
    const started = await this.#session.call("POST", "conversations/start", { body: { otherUserId: userId } });
    if (!this.#conversations.has(started.conversationId)) this.#learn([begun(started)]);
    this.#changed(null);
    return this.#conversations.get(started.conversationId);
  }

  /** Has the newest messages at hand: those that are kept here at once, then what the server has. */
  async open(conversation) {
    if (!conversation.messages.length) {
      conversation.replace(await this.#store.newest(conversation.id, { limit: PAGE }));
      this.#changed(conversation);
    }
    await this.catchUp(conversation);
  }

  /** Fetches what lies between the messages at hand and the newest. */
  async catchUp(conversation) {
    if (!conversation.messages.length || conversation.facts.lastSeq - conversation.upTo > MOST_CATCH_UP) {
      conversation.replace(await this.#fetch(conversation));
    }
    while (!conversation.isAtNewest || conversation.hasGap) {
      const page = await this.#fetch(conversation, { after: conversation.upTo, limit: 100 });
      if (!page.length) break;
      conversation.append(page);
    }
    this.#changed(conversation);
  }

  /** One page of messages before those at hand, from here where the server is not reached. */
  async loadOlder(conversation) {
    const before = conversation.firstSeq;
    const kept = await this.#store.newest(conversation.id, { before, limit: PAGE });
    const follows = kept.at(-1)?.seq === before - 1;
    conversation.prepend(follows ? kept : await this.#fetch(conversation, { before, limit: PAGE }));
    this.#changed(conversation);
  }

  /** One page of messages after those at hand. */
  async loadNewer(conversation) {
    conversation.append(await this.#fetch(conversation, { after: conversation.upTo, limit: PAGE }));
    this.#changed(conversation);
  }

  /** Has the messages around a seq at hand in place of others. */
  async jump(conversation, seq) {
    conversation.replace(await this.#fetch(conversation, { before: seq + PAGE / 2, limit: PAGE }));
    this.#changed(conversation);
  }

  /** Has the newest messages at hand again. */
  async jumpToNewest(conversation) {
    if (!conversation.isAtNewest) conversation.replace(await this.#fetch(conversation));
    this.#changed(conversation);
  }

  search(conversation, words, { before, signal } = {}) {
    const path = query(`conversations/${conversation.id}/search`, { q: words, ...(before && { before }) });
    return this.#session.call("GET", path, { signal });
  }

  send(conversation, content) {
    return this.outbox.add(conversation.id, conversation.facts.participantId, content);
  }

  /** Everything of the other's that is at hand was read. */
  read(conversation) {
    const upToSeq = conversation.newestOfTheirs;
    if (upToSeq <= conversation.facts.myReadSeq) return;
    conversation.readHere(upToSeq);
    this.#connection.send("read", { conversationId: conversation.id, upToSeq });
    this.#keep([conversation]);
    this.#changed(conversation);
  }

  typing(conversation, isTyping) {
    this.#connection.send("typing", { recipientId: conversation.facts.participantId, isTyping });
  }

  async #fetch(conversation, cursor = { limit: PAGE }) {
    const path = query(`conversations/${conversation.id}/messages`, cursor);
    const { messages } = await this.#session.call("GET", path);
    await this.#store.keepMessages(messages.map((message) => ({ ...message, conversationId: conversation.id })));
    return messages;
  }

  #learn(list) {
    const known = list.map((facts) => {
      const conversation = this.#conversations.get(facts.conversationId);
      if (!conversation) this.#conversations.set(facts.conversationId, new Conversation(facts));
      else this.#relearn(conversation, facts);
      return this.#conversations.get(facts.conversationId);
    });
    this.#keep(known);
  }

  #relearn(conversation, facts) {
    const readHere = conversation.facts.myReadSeq;
    conversation.learn(facts);
    // Read while there was no connection.
    if (readHere > facts.myReadSeq) {
      this.#connection.send("read", { conversationId: conversation.id, upToSeq: readHere });
    }
  }

  #heard({ id, type, timestamp, data }) {
    const of = { ready: this.#ready, message: this.#message, ack: this.#ack, typing: this.#typing, presence: this.#presence };
    if (type === "error") this.outbox.refused(id, data);
    else of[type]?.call(this, data, id, timestamp);
  }

  async #ready({ conversations }) {
    this.#cursor = null;
    await this.loadMore();
    const unknown = conversations.filter(({ conversationId }) => !this.#conversations.has(conversationId));
    while (unknown.some(({ conversationId }) => !this.#conversations.has(conversationId)) && this.hasMore) await this.loadMore();
    const open = this.conversations.filter((conversation) => conversation.messages.length);
    await Promise.all(open.map((conversation) => conversation.isAtNewest || this.catchUp(conversation)));
    await this.outbox.load();
    this.outbox.restart();
    this.#changed(null);
  }

  async #message(data, id, createdAt) {
    const { conversationId, seq, senderId, senderUsername, recipientId, content, status } = data;
    const message = { id, seq, senderId, senderUsername, recipientId, content, createdAt, status };
    if (!this.#conversations.has(conversationId)) {
      if (senderId === this.me) return this.#reload(); // begun on another device
      this.#learn([begun({ conversationId, participantId: senderId, participantUsername: senderUsername, participantIsOnline: true })]);
    }
    if (senderId === this.me) await this.outbox.stored(id);
    await this.#receive(this.#conversations.get(conversationId), message);
  }

  async #receive(conversation, message) {
    const isNew = message.seq > conversation.facts.lastSeq;
    conversation.receive(message, this.me);
    this.#changed(conversation);
    await this.#store.keepMessages([{ ...message, conversationId: conversation.id }]);
    this.#keep([conversation]);
    if (conversation.hasGap) await this.catchUp(conversation);
    if (isNew && message.senderId !== this.me) {
      this.dispatchEvent(new CustomEvent("arrived", { detail: { conversation, message } }));
    }
  }

  async #ack(data, id) {
    const conversation = this.#conversations.get(data.conversationId);
    if (data.status === "sent") return this.#sent(data, id);
    if (!conversation) return;
    if (data.userId === this.me) conversation.readHere(data.upToSeq); // on another device
    else conversation.reach(data.status, data.upToSeq);
    this.#keep([conversation]);
    this.#changed(conversation);
  }

  async #sent({ messageId, conversationId, seq, serverTimestamp }, id) {
    const entry = this.outbox.entry(messageId);
    await this.outbox.stored(id);
    if (!entry) return;
    const conversation = this.#conversations.get(conversationId);
    const { recipientId, content } = entry;
    const stored = { id, seq, senderId: this.me, senderUsername: this.#session.username, recipientId, content };
    await this.#receive(conversation, { ...stored, createdAt: serverTimestamp, status: "sent" });
  }

  #typing({ senderId, isTyping }) {
    const conversation = this.#with(senderId);
    if (!conversation) return;
    const ms = conversation.typing(isTyping);
    this.#changed(conversation);
    if (isTyping) setTimeout(() => this.#changed(conversation), ms + 50);
  }

  #presence({ userId, isOnline, lastSeenAt }) {
    const conversation = this.#with(userId);
    if (!conversation) return;
    conversation.facts = { ...conversation.facts, participantIsOnline: isOnline, lastSeenAt };
    this.#changed(conversation);
  }

  /** The newest conversations as the server has them. */
  async #reload() {
    this.#cursor = null;
    await this.loadMore();
  }

  #with(userId) {
    return this.conversations.find((conversation) => conversation.facts.participantId === userId);
  }

  #keep(conversations) {
    return this.#store.keepConversations(conversations.map((conversation) => conversation.facts));
  }

  #changed(conversation) {
    this.dispatchEvent(new CustomEvent("change", { detail: conversation }));
  }
}

/** The facts of a conversation without messages. */
function begun({ conversationId, participantId, participantUsername, participantIsOnline }) {
  const none = { lastMessage: null, lastMessageAt: null, messageCount: 0, lastSeq: 0, unreadCount: 0 };
  const marks = { deliveredSeq: 0, readSeq: 0, myReadSeq: 0 };
  return { conversationId, participantId, participantUsername, participantIsOnline, ...none, ...marks };
}
