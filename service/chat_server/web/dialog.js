// A question that has to be answered first.

import { element } from "./dom.js";
import { complaintOf, field } from "./entrance.js";

/**
 * Asks whether to do something, and does it; what it fails with is shown, and the question stays.
 * @param {{title: string, text: string, action: string, isGrave?: boolean, password?: boolean}} question `password`:
 *   whether it wants the person's password
 * @param {(password: string) => Promise<void>} act
 * @returns {Promise<boolean>} whether it was done
 */
export function ask({ title, text, action, isGrave = false, password = false }, act) {
  const complaint = element("p", { class: "complaint", role: "alert" });
  const done = element("button", { type: "submit", class: isGrave ? "grave" : "primary" }, action);
  const form = element(
    "form",
    { method: "dialog" },
    element("h2", { id: "dialog-title" }, title),
    element("p", {}, text),
    password && field("Password", { name: "confirmation", type: "password", autocomplete: "current-password" }),
    complaint,
    element("p", { class: "actions" }, element("button", { type: "button", onclick: () => dialog.close("") }, "Cancel"), done),
  );
  const dialog = element("dialog", { "aria-labelledby": "dialog-title" }, form);
  form.onsubmit = async (event) => {
    event.preventDefault();
    done.disabled = true;
    try {
      await act(form.elements.confirmation?.value ?? "");
      dialog.close("done");
    } catch (error) {
      complaint.textContent = complaintOf(error);
      done.disabled = false;
    }
  };
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.onclose = () => {
      dialog.remove();
      resolve(dialog.returnValue === "done");
    };
  });
}
