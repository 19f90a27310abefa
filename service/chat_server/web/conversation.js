// One conversation as this page knows it: how far it goes, how far both have got, and the messages that are at hand.

export const DELETED = "Deleted User"; // no username: it has a space
const TYPING_MS = 6_000;

export class Conversation {
  /** Messages at hand: they follow on one another, the oldest first. */
  messages = [];
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

  /** What the server says of it now. What was read here meanwhile stays read. */
  learn(facts) {
    const { lastSeq, myReadSeq } = this.facts;
    this.facts = facts.lastSeq >= lastSeq ? facts : { ...facts, ...newest(this.facts) };
    if (myReadSeq > this.facts.myReadSeq) this.readHere(myReadSeq);
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
    if (wasAtNewest || this.#early.size) this.#early.set(message.seq, message);
    this.#takeEarly();
  }

  /** Whether messages came that do not follow on those at hand: what is between has to be fetched. */
  get hasGap() {
    return this.#early.size > 0;
  }

  /** Whether there are messages before those at hand. */
  get hasOlder() {
    return this.messages.length ? this.firstSeq > 1 : this.facts.lastSeq > 0;
  }

  /** Older messages that end where those at hand begin. */
  prepend(page) {
    this.messages = [...page.filter((message) => message.seq < (this.firstSeq || Infinity)), ...this.messages];
  }

  /** Newer messages that begin where those at hand end. */
  append(page) {
    this.messages = [...this.messages, ...page.filter((message) => message.seq > this.upTo)];
    this.#takeEarly();
  }

  /** Other messages in place of those at hand. */
  replace(page) {
    this.messages = page;
    this.#early.clear();
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
    const known = this.messages.filter((message) => message.seq > upToSeq && message.senderId === this.facts.participantId);
    const unreadCount = upToSeq >= this.facts.lastSeq || this.isAtNewest ? known.length : this.facts.unreadCount;
    this.facts = { ...this.facts, myReadSeq: upToSeq, unreadCount };
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
