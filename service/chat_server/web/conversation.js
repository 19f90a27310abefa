// One conversation as this page knows it: how far it goes, how far both have got, and the messages that are at hand.

export const DELETED = "Deleted User"; // no username: it has a space
const TYPING_MS = 6_000;

export class Conversation {
  /** Messages at hand: they follow on one another, the oldest first. */
  messages = [];
  /** Whether older messages are at hand in place of the newest, on purpose. */
  isAway = false;
  /** Whether its messages are to be kept up to date: it has been opened. */
  isWanted = false;
  #typingUntil = 0;
  #early = new Map();

  /** @param {object} facts as GET /conversations has them */
  constructor(facts) {
    this.facts = facts;
  }

  get id() {
    return this.facts.conversationId;
  }

  get name() {
    return this.facts.participantUsername;
  }

  get isDeleted() {
    return this.name === DELETED;
  }

  get isTyping() {
    return this.#typingUntil > Date.now();
  }

  get lastAt() {
    return this.facts.lastMessageAt ?? 0;
  }

  get firstSeq() {
    return this.messages[0]?.seq ?? 0;
  }

  /** Up to which the messages at hand go; 0 for none. */
  get upTo() {
    return this.messages.at(-1)?.seq ?? 0;
  }

  /** Whether the newest message is at hand. */
  get isAtNewest() {
    return this.upTo >= this.facts.lastSeq;
  }

  /** What the server says of it now. What has come, or was read, since it said so stays. */
  learn(facts) {
    const known = this.facts;
    const marks = { deliveredSeq: Math.max(known.deliveredSeq, facts.deliveredSeq), readSeq: Math.max(known.readSeq, facts.readSeq) };
    this.facts = { ...known, ...facts, ...marks, ...(facts.lastSeq < known.lastSeq && newest(known)) };
    if (known.myReadSeq > facts.myReadSeq) this.readHere(known.myReadSeq);
  }

  /** The server goes only so far, and went further once: a backup was restored. What came after it is no more. */
  rewind(lastSeq) {
    const least = (seq) => Math.min(seq, lastSeq);
    const { deliveredSeq, readSeq, myReadSeq } = this.facts;
    this.facts = { ...this.facts, lastSeq, messageCount: lastSeq, deliveredSeq: least(deliveredSeq), readSeq: least(readSeq), myReadSeq: least(myReadSeq) };
    this.replace([]);
  }

  /** A message that has come, or one's own that is stored now. What is known already is passed over. */
  receive(message, me) {
    const wasAtNewest = this.isAtNewest;
    if (message.seq > this.facts.lastSeq) {
      const { seq, content, createdAt } = message;
      const theirs = message.senderId !== me;
      this.facts = {
        ...this.facts,
        lastSeq: seq,
        messageCount: seq,
        lastMessage: content,
        lastMessageAt: createdAt,
        unreadCount: this.facts.unreadCount + (theirs ? 1 : 0),
      };
    }
    if (message.senderId !== me) this.#typingUntil = 0;
    const isOwn = message.senderId === me && this.isWanted && !this.isAway;
    if (wasAtNewest || isOwn || this.#early.size || message.seq === this.upTo + 1) this.#early.set(message.seq, message);
    this.#takeEarly();
  }

  /** Whether messages came that do not follow on those at hand: what is between has to be fetched. */
  get hasGap() {
    return this.#early.size > 0;
  }

  /** This person's messages among those: they have left the outbox, and are to be seen all the same. */
  get ahead() {
    const own = [...this.#early.values()].filter(({ senderId }) => senderId !== this.facts.participantId);
    return this.isAway ? [] : own.sort((one, other) => one.seq - other.seq);
  }

  /** Whether there are messages before those at hand. */
  get hasOlder() {
    return this.messages.length ? this.firstSeq > 1 : this.facts.lastSeq > 0;
  }

  /** Older messages. Those that do not end where those at hand begin were asked for before others took their place. */
  prepend(page) {
    const older = page.filter((message) => message.seq < this.firstSeq);
    if (older.at(-1)?.seq === this.firstSeq - 1) this.messages = [...older, ...this.messages];
  }

  /** Newer messages, likewise. */
  append(page) {
    const newer = page.filter((message) => message.seq > this.upTo);
    if (newer[0]?.seq === this.upTo + 1) this.messages = [...this.messages, ...newer];
    this.#notice(page);
    this.#takeEarly();
    if (this.isAtNewest) this.isAway = false;
  }

  /** Other messages in place of those at hand; `isAway`: older ones, on purpose. */
  replace(page, { isAway = false } = {}) {
    this.messages = page;
    this.#early.clear();
    this.#notice(page);
    this.isAway = isAway && !this.isAtNewest;
  }

  /** Whether the other is online, and when they last were. */
  isThere(participantIsOnline, lastSeenAt = this.facts.lastSeenAt) {
    this.facts = { ...this.facts, participantIsOnline, lastSeenAt };
  }

  /** The other's account is no more, which the list of conversations will say too. */
  lose() {
    this.facts = { ...this.facts, participantUsername: DELETED, participantIsOnline: false, lastSeenAt: null };
  }

  /** The other has got, or has read, everything up to a seq. */
  reach(status, upToSeq) {
    const { deliveredSeq, readSeq } = this.facts;
    this.facts = {
      ...this.facts,
      deliveredSeq: Math.max(deliveredSeq, upToSeq),
      readSeq: status === "read" ? Math.max(readSeq, upToSeq) : readSeq,
    };
  }

  /** This person has read up to a seq, on whichever device. */
  readHere(upToSeq) {
    if (upToSeq <= this.facts.myReadSeq) return;
    const after = this.messages.filter((message) => message.seq > upToSeq && message.senderId === this.facts.participantId);
    const isCounted = this.isAtNewest && this.firstSeq <= upToSeq + 1;
    const most = Math.max(0, Math.min(this.facts.unreadCount, this.facts.lastSeq - upToSeq));
    this.facts = { ...this.facts, myReadSeq: upToSeq, unreadCount: isCounted ? after.length : most };
  }

  /** The newest of the other's messages at hand, which reading goes up to; 0 for none. */
  get newestOfTheirs() {
    return this.messages.findLast((message) => message.senderId === this.facts.participantId)?.seq ?? 0;
  }

  /** How far a message of this person's has got: "sent", "delivered" or "read". */
  statusOf(message) {
    if (message.seq <= this.facts.readSeq) return "read";
    return message.seq <= this.facts.deliveredSeq ? "delivered" : "sent";
  }

  typing(isTyping) {
    this.#typingUntil = isTyping ? Date.now() + TYPING_MS : 0;
    return TYPING_MS;
  }

  /** What messages tell of how far the conversation goes, where the list has not yet, and how far the other has got. */
  #notice(page) {
    const last = page.at(-1);
    if (last && this.facts.lastSeq === 0) {
      const { seq, content, createdAt } = last;
      const unreadCount = page.filter(({ senderId }) => senderId === this.facts.participantId).length;
      this.facts = { ...this.facts, lastSeq: seq, messageCount: seq, lastMessage: content, lastMessageAt: createdAt, unreadCount };
    }
    for (const { seq, status, recipientId } of page) {
      if (recipientId === this.facts.participantId && status !== "sent") this.reach(status, seq);
    }
  }

  #takeEarly() {
    for (const seq of this.#early.keys()) if (seq <= this.upTo) this.#early.delete(seq);
    const next = () => this.#early.get(this.upTo + 1);
    for (let message = next(); message; message = next()) {
      this.#early.delete(message.seq);
      this.messages = [...this.messages, message];
    }
  }
}

function newest({ lastSeq, messageCount, lastMessage, lastMessageAt, unreadCount }) {
  return { lastSeq, messageCount, lastMessage, lastMessageAt, unreadCount };
}

/** The facts of a conversation without messages. */
export function begun({ conversationId, participantId, participantUsername, participantIsOnline }) {
  const none = { lastMessage: null, lastMessageAt: null, messageCount: 0, lastSeq: 0, unreadCount: 0 };
  const marks = { deliveredSeq: 0, readSeq: 0, myReadSeq: 0 };
  return { conversationId, participantId, participantUsername, participantIsOnline, ...none, ...marks };
}
