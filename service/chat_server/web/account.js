// What a person may do about their account: devices, password, whom they block, their data, the end.

import { ask as askPermission, permission } from "./attention.js";
import { ask } from "./dialog.js";
import { ICONS, busyWhile, element, focusHeading, iconButton, say } from "./dom.js";
import { complaintOf, field } from "./entrance.js";
import { device as nameOf, moment } from "./text.js";

/** @param {{session: object, blocks: object, back: () => void, unsent: () => Promise<number>}} options */
export function account({ session, blocks, back, unsent }) {
  const devices = deviceSection(session, unsent);
  const blocked = blockSection(blocks);
  const node = element(
    "section",
    { class: "account", "aria-label": "Account" },
    element("header", { class: "bar" }, iconButton(ICONS.back, "Back to the list", { class: "icon-button back", onclick: back }), element("h2", {}, element("bdi", {}, session.username))),
    element(
      "div",
      { class: "sheet" },
      element("p", {}, element("button", { type: "button", onclick: () => signOut(session, unsent) }, "Sign out")),
      notificationSection(),
      passwordSection(session, devices.load),
      devices.node,
      blocked.node,
      dataSection(session),
      endSection(session),
      element("p", { class: "quiet" }, "This server is somebody's own. What is written here stays on it, and is shared with nobody."),
    ),
  );
  devices.load();
  blocks.load().catch((error) => blocked.fail(error));
  return { node, close: blocked.close };
}

async function signOut(session, unsent) {
  const lost = lossOf(await unsent());
  if (!lost) return session.signOut();
  return ask({ title: "Sign out?", text: lost, action: "Sign out", isGrave: true }, () => session.signOut());
}

async function signOutEverywhere(session, unsent) {
  const lost = lossOf(await unsent());
  const text = `Every device has to sign in again, this one too. ${lost}`;
  return ask({ title: "Sign out everywhere?", text, action: "Sign out everywhere", isGrave: lost !== "" }, () => session.signOut({ everywhere: true }));
}

/** What this browser would forget: messages that wait, and those that have failed. */
function lossOf(unsent) {
  return unsent ? `${unsent === 1 ? "A message is" : `${unsent} messages are`} not sent yet, and would be lost.` : "";
}

function section(title, ...children) {
  return element("section", {}, element("h3", {}, title), ...children);
}

/** Where the button that was pressed is gone, one is still in its section. */
function refocus(node) {
  if (document.activeElement === document.body) focusHeading(node);
}

function notificationSection() {
  const words = { granted: "They are on.", denied: "This browser forbids them for this page; its settings say otherwise.", missing: "This browser has none here: they need https." };
  const told = element("p", { class: "quiet", role: "status" });
  const button = element("button", { type: "button", onclick: () => askPermission().then(show) }, "Tell me of new messages");
  function show() {
    say(told, words[permission()] ?? "A message can be announced while you look elsewhere.");
    button.hidden = permission() !== "default";
  }
  show();
  return section("Notifications", told, button);
}

function passwordSection(session, changed) {
  const told = element("p", { role: "status" });
  const complaint = element("p", { class: "complaint", role: "alert" });
  const form = element(
    "form",
    {},
    element("input", { type: "hidden", autocomplete: "username", value: session.username }),
    field("Current password", { name: "currentPassword", type: "password", autocomplete: "current-password" }),
    field("New password", { name: "newPassword", type: "password", autocomplete: "new-password" }),
    complaint,
    told,
    element("button", { type: "submit" }, "Change password"),
  );
  form.onsubmit = async (event) => {
    event.preventDefault();
    say(told, "");
    say(complaint, "");
    try {
      await session.call("POST", "user/change-password", { body: Object.fromEntries(new FormData(form)) });
      form.reset();
      say(told, "The password is changed. Other devices are signed out.");
      changed();
    } catch (error) {
      say(complaint, complaintOf(error));
    }
  };
  return section("Password", form);
}

function deviceSection(session, unsent) {
  const list = element("ul", { class: "rows", "aria-label": "Devices" });
  const complaint = element("p", { class: "complaint", role: "alert" });

  async function load() {
    try {
      const { sessions } = await session.call("GET", "user/me/sessions");
      list.replaceChildren(...sessions.map(device));
      say(complaint, "");
    } catch (error) {
      say(complaint, complaintOf(error));
    }
  }

  function device({ sessionId, lastUsedAt, address, agent, isCurrent }) {
    const end = async () => {
      await session.call("DELETE", `user/me/sessions/${sessionId}`).catch((error) => say(complaint, complaintOf(error)));
      await load();
      refocus(node);
    };
    const name = nameOf(agent);
    return element(
      "li",
      {},
      element("span", {}, name, element("br"), element("small", {}, `${address} · ${isCurrent ? "this device" : `last used ${moment(lastUsedAt)}`}`)),
      !isCurrent && element("button", { type: "button", "aria-label": `Sign out ${name}`, onclick: end }, "Sign out"),
    );
  }

  const node = section("Devices you are signed in on", list, complaint, element("button", { type: "button", onclick: () => signOutEverywhere(session, unsent) }, "Sign out everywhere"));
  return { node, load };
}

function blockSection(blocks) {
  const list = element("ul", { class: "rows", "aria-label": "Blocked people" });
  const told = element("p", { class: "quiet", role: "status" });
  function show() {
    say(told, blocks.list.length ? "" : "You have blocked nobody.");
    list.replaceChildren(...blocks.list.map(person));
  }
  function person({ userId, username }) {
    const free = () => blocks.set(userId, false).then(() => refocus(node), (error) => say(told, complaintOf(error)));
    return element("li", {}, element("bdi", {}, username), element("button", { type: "button", "aria-label": `Unblock ${username}`, onclick: free }, "Unblock"));
  }
  const node = section("Blocked people", told, list);
  blocks.addEventListener("change", show);
  show();
  return {
    node,
    fail: (error) => say(told, complaintOf(error)),
    close: () => blocks.removeEventListener("change", show),
  };
}

function dataSection(session) {
  const told = element("p", { class: "quiet", role: "status" });
  const button = element("button", { type: "button" }, "Export my data");
  button.onclick = busyWhile(button, async () => {
    say(told, "Gathering it…");
    try {
      const answer = await session.exchange("GET", "user/me/export");
      const address = URL.createObjectURL(await answer.blob());
      element("a", { href: address, download: `chat-${session.username}.json` }).click();
      setTimeout(() => URL.revokeObjectURL(address), 60_000);
      say(told, "The file has been handed to the browser.");
    } catch (error) {
      say(told, complaintOf(error));
    }
  });
  return section("Your data", element("p", { class: "quiet" }, "All that this server keeps about you, in one file."), button, told);
}

function endSection(session) {
  const question = {
    title: "Delete your account?",
    text: `There is no way back. The name ${session.username} is never given out again, and what you have written stays with those you wrote it to, signed “Deleted User”.`,
    action: "Delete for ever",
    isGrave: true,
    password: true,
  };
  const end = () =>
    ask(question, async (password) => {
      await session.call("DELETE", "user/me", { body: { password } });
      session.end("Your account is deleted.");
    });
  return section("The end", element("button", { type: "button", class: "grave", onclick: end }, "Delete my account"));
}
