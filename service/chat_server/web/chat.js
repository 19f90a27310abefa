// All conversations of the person who is signed in: what the server says, what is kept here, and what is to be sent.

import { query } from "./api.js";
import { Backoff } from "./backoff.js";
import { Conversation, begun } from "./conversation.js";
import { History } from "./history.js";
import { Outbox } from "./outbox.js";

const LIST_PAGE = 50;
/** An interruption that is shorter is not shown, here as in the line at the top. */
const PATIENCE_MS = 1500;

/**
 * Tells `change` when anything is to be shown anew (`detail`: the conversation, or null for the list of them), and
 * `arrived` when a message of the other person's has come (`detail`: it, its conversation, and whether it `isLate`: it was
 * stored while there was no connection).
 */
export class Chat extends EventTarget {
  hasMore = false;
  #session;
  #store;
  #connection;
  #cursor = null;
  #conversations = new Map();
  /** How far the server said that conversations go, when it was ready. */
  #heads = [];
  /** When that was, by the server's clock. */
  #readyAt = 0;
  /** The ids of those that the server has told of since. */
  #current = new Set();
  #pause = new Backoff();
  #timer = 0;
  #forgetting = 0;
  #refreshing = null;

  constructor(session, store, connection) {
    super();
    this.#session = session;
    this.#store = store;
    this.#connection = connection;
    this.history = new History(session, store, { changed: (conversation) => this.#changed(conversation), missed: (error) => this.#later(error) });
    this.outbox = new Outbox(store, connection);
    this.outbox.addEventListener("change", ({ detail }) => this.#changed(this.#conversations.get(detail.conversationId)));
    connection.addEventListener("state", () => this.#connected());
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

  #learn(list) {
    const known = list.map((facts) => {
      const conversation = this.#conversations.get(facts.conversationId);
      if (!conversation) this.#conversations.set(facts.conversationId, new Conversation(facts));
      else this.#relearn(conversation, facts);
      this.#current.add(facts.conversationId);
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

  /** Without a connection nobody can say who is online; `ready` begins that anew. */
  #connected() {
    if (this.#connection.state !== "open") {
      this.#forgetting ||= setTimeout(() => {
        for (const conversation of this.conversations) conversation.isThere(false);
        this.#changed(null);
      }, PATIENCE_MS);
      return;
    }
    clearTimeout(this.#forgetting);
    this.#forgetting = 0;
  }

  async #heard({ id, type, timestamp, data }) {
    const of = { ready: this.#ready, message: this.#message, ack: this.#ack, typing: this.#typing, presence: this.#presence };
    try {
      if (type === "error") await this.#refused(id, data);
      else await of[type]?.call(this, data, id, timestamp);
    } catch (error) {
      this.#later(error);
    }
  }

  async #ready({ conversations, serverTime }) {
    this.#heads = conversations;
    this.#readyAt = serverTime;
    this.#current.clear();
    for (const { conversationId, lastSeq } of conversations) this.#rewind(this.#conversations.get(conversationId), lastSeq);
    await this.#pull().catch((error) => this.#later(error));
    await this.outbox.load();
    this.outbox.restart();
    this.#changed(null);
  }

  #rewind(conversation, lastSeq) {
    if (!conversation || conversation.facts.lastSeq <= lastSeq) return;
    conversation.rewind(lastSeq);
    this.#store.dropMessages(conversation.id);
  }

  /** Learns what has changed since the last connection. */
  async #pull() {
    const isBehind = ({ conversationId, lastSeq }) => !(this.#conversations.get(conversationId)?.facts.lastSeq >= lastSeq);
    this.#cursor = null;
    do await this.loadMore();
    while (this.hasMore && this.#heads.some(isBehind));
    // Of the others nobody has said whether they are there.
    for (const conversation of this.conversations) if (!this.#current.has(conversation.id)) conversation.isThere(false);
    await Promise.all(this.conversations.map((conversation) => conversation.isWanted && this.history.catchUp(conversation)));
    this.#pause.held();
    this.#changed(null);
  }

  /** Something could not be asked for: tries again as long as there is a connection, whose end begins all anew anyway. */
  #later(error) {
    if (this.#timer) return;
    console.info(error.message);
    this.#timer = setTimeout(() => {
      this.#timer = 0;
      if (this.#connection.state === "open") this.#pull().catch((reason) => this.#later(reason));
    }, 1000 + this.#pause.next());
  }

  async #message(data, id, createdAt) {
    const { conversationId, seq, senderId, senderUsername, recipientId, content, status } = data;
    const message = { id, seq, senderId, senderUsername, recipientId, content, createdAt, status };
    if (senderId === this.me) return this.#stored(conversationId, message);
    const isKnown = this.#conversations.has(conversationId);
    if (!isKnown) this.#learn([begun({ conversationId, participantId: senderId, participantUsername: senderUsername, participantIsOnline: true })]);
    await this.#receive(this.#conversations.get(conversationId), message);
    if (!isKnown) await this.#refresh();
  }

  /** One's own is stored, whichever device it was written on. It is shown as that before it is out of the outbox. */
  async #stored(conversationId, message) {
    const conversation = this.#conversations.get(conversationId);
    const received = conversation ? this.#receive(conversation, message) : this.#refresh(); // begun on another device
    await Promise.all([received, this.outbox.stored(message.id)]);
  }

  async #receive(conversation, message) {
    const isNew = message.seq > conversation.facts.lastSeq;
    conversation.receive(message, this.me);
    this.#changed(conversation);
    if (isNew && message.senderId !== this.me) {
      const isLate = message.createdAt <= this.#readyAt;
      this.dispatchEvent(new CustomEvent("arrived", { detail: { conversation, message, isLate } }));
    }
    await this.#store.keepMessages([{ ...message, conversationId: conversation.id }]);
    this.#keep([conversation]);
    if (conversation.hasGap) await this.history.catchUp(conversation);
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
    if (!entry) return this.outbox.stored(id);
    const { recipientId, content } = entry;
    const message = { id, seq, senderId: this.me, senderUsername: this.#session.username, recipientId, content };
    await this.#stored(conversationId, { ...message, createdAt: serverTimestamp, status: "sent" });
  }

  async #refused(id, error) {
    const conversation = this.#conversations.get(this.outbox.entry(id)?.conversationId);
    if (conversation && error.code === "RECIPIENT_DELETED") {
      conversation.lose();
      this.#keep([conversation]);
    }
    await this.outbox.refused(id, error);
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
    conversation.isThere(isOnline, lastSeenAt);
    this.#current.add(conversation.id);
    this.#changed(conversation);
  }

  /** The newest conversations as the server has them; for many who want them, asked for once. */
  #refresh() {
    const ask = async () => {
      const { conversations } = await this.#session.call("GET", query("conversations", { limit: LIST_PAGE }));
      this.#learn(conversations);
      this.#changed(null);
    };
    this.#refreshing ??= ask().finally(() => (this.#refreshing = null));
    return this.#refreshing;
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
