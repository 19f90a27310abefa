// Signing in and up.

import { RefusedError } from "./api.js";
import { element, say } from "./dom.js";
import { Session } from "./session.js";

const SIGN_IN = { path: "auth/login", title: "Sign in", other: "I have no account yet", password: "current-password" };
const SIGN_UP = { path: "auth/signup", title: "Create an account", other: "I have an account", password: "new-password" };
const RULES = "At least 8 characters, with an upper-case letter, a lower-case letter and a digit.";

/**
 * The entrance, in place of the node's children. Gives the session once somebody is signed in.
 * @param {Element} place
 * @param {{registration: string, why: string}} options `registration`: "open", "invite" or "closed"; `why`: why somebody
 *   has to sign in again
 * @returns {Promise<Session>}
 */
export function enter(place, { registration, why = "" }) {
  return new Promise((resolve) => {
    const show = (way) => {
      const form = entranceForm(way, { registration, why, resolve, change: () => show(way === SIGN_IN ? SIGN_UP : SIGN_IN) });
      place.replaceChildren(element("main", {}, form));
      form.querySelector("input").focus();
    };
    show(SIGN_IN);
  });
}

function entranceForm(way, { registration, why, resolve, change }) {
  const isNew = way === SIGN_UP;
  const complaint = element("p", { class: "complaint", role: "alert" });
  const submit = element("button", { type: "submit", class: "primary" }, way.title);
  const form = element(
    "form",
    { class: "entrance", method: "post" },
    element("h1", {}, way.title),
    why && element("p", { role: "status" }, why),
    field("Username", { name: "username", autocomplete: "username", maxlength: 50, autocapitalize: "none", spellcheck: "false" }),
    field("Password", { name: "password", type: "password", autocomplete: way.password }, isNew && RULES),
    isNew && registration === "invite" && field("Invite code", { name: "inviteCode", autocomplete: "off", spellcheck: "false" }, "Whoever runs this server hands it out."),
    complaint,
    submit,
    registration === "closed"
      ? element("p", { class: "quiet" }, "New accounts are made by whoever runs this server.")
      : element("button", { type: "button", class: "link", onclick: change }, way.other),
    element("p", { class: "quiet" }, "This server is somebody's own. What is written here stays on it, and is shared with nobody."),
  );
  form.onsubmit = async (event) => {
    event.preventDefault();
    submit.disabled = true;
    try {
      resolve(await Session.begin(way.path, Object.fromEntries(new FormData(form))));
    } catch (error) {
      say(complaint, complaintOf(error));
      submit.disabled = false;
      form.querySelector("input").focus();
    }
  };
  return form;
}

/** A labelled field of a form, which must be filled in. */
export function field(label, attributes, hint = "") {
  const id = `field-${attributes.name}`;
  return element(
    "p",
    { class: "field" },
    element("label", { for: id }, label),
    element("input", { id, required: true, ...attributes, ...(hint && { "aria-describedby": `${id}-hint` }) }),
    hint && element("small", { id: `${id}-hint` }, hint),
  );
}

/** What a person is told of a call that failed. */
export function complaintOf(error) {
  const seconds = error instanceof RefusedError && error.details.retryAfterSeconds;
  if (seconds) return `${error.message} Try again in ${seconds > 90 ? `${Math.ceil(seconds / 60)} minutes` : `${seconds} seconds`}.`;
  return error.message;
}
