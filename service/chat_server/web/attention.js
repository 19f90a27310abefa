// What tells a person of a message while they look elsewhere: the page's title, and notifications if they want them.

const NAME = document.title;

/** Shows in the title how many messages are unread. */
export function showUnread(count) {
  document.title = count ? `(${count}) ${NAME}` : NAME;
  if (count) navigator.setAppBadge?.(count)?.catch(() => {});
  else navigator.clearAppBadge?.()?.catch(() => {});
}

/** "granted", "denied", "default" if nobody has asked yet, "missing" where the browser has none here. */
export function permission() {
  return "Notification" in window && window.isSecureContext ? Notification.permission : "missing";
}

export const ask = () => Notification.requestPermission();

/** Notifications that the page itself shows, as long as it has no worker. */
const shown = new Map();

/** A notification of a message, in place of an earlier one of the same conversation. */
export async function notify({ conversation, message }, open) {
  if (permission() !== "granted" || (!document.hidden && document.hasFocus())) return;
  const options = { body: message.content.slice(0, 200), tag: conversation.id, icon: icon(), data: conversation.id };
  const worker = await activeWorker();
  // Phones have notifications of the worker's only; it knows whether another tab is looked at, and opens the conversation.
  if (worker) return worker.active.postMessage({ notify: { title: conversation.name, options } });
  const notification = new Notification(conversation.name, options);
  shown.set(conversation.id, notification);
  notification.onclick = () => {
    window.focus();
    open(conversation);
  };
}

/** Takes back the notifications of conversations that `isOver` is true of, by their ids. */
export async function withdraw(isOver) {
  if (permission() !== "granted") return;
  const worker = await activeWorker();
  for (const notification of [...shown.values(), ...((await worker?.getNotifications()) ?? [])]) {
    if (isOver(notification.tag)) notification.close();
  }
}

async function activeWorker() {
  const worker = await navigator.serviceWorker?.getRegistration();
  return worker?.active ? worker : null;
}

const icon = () => document.querySelector("link[rel=icon]").href;
