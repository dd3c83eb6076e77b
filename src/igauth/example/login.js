// The signed-out page: log in by redirect, or by a window of its own.

import { h, icon } from "./dom.js";
import { loginProblem, notice } from "./problems.js";

const PROMISES = [
  ["You choose", "Facebook asks you which Pages and Instagram accounts to share."],
  ["No passwords, no tokens here", "This page never sees them; the service keeps them sealed."],
  ["Leave at any time", "Disconnect with one click, and everything stored about you is deleted."],
];

/**
 * @param {object} page
 * @param {object | null} page.farewell why the person is out: a notice's title and text
 * @param {Error | null} page.error the login that failed
 * @param {() => void} page.onLogin there is a session now
 */
export function loginView({ igauth, announce, farewell, error, onLogin }) {
  const messages = h("div", { class: "stack", "data-testid": "messages" });
  const link = h("a", { class: "button primary big", href: igauth.loginUrl() }, "Continue with Facebook");
  const opener = h("button", { type: "button", class: "button big" }, "Use a separate window");
  const choices = h("div", { class: "choices" }, link, opener);

  function show(...boxes) {
    messages.replaceChildren(...boxes.filter(Boolean));
  }

  function settle() {
    choices.hidden = false;
  }

  opener.addEventListener("click", async () => {
    const cancel = new AbortController();
    const login = igauth.logInByPopup({ signal: cancel.signal });
    choices.hidden = true;
    const stop = h("button", { type: "button", class: "button", onclick: () => cancel.abort() }, "Cancel");
    show(notice({ title: "Waiting for the Facebook window…", text: "Finish the login there.", actions: [stop], role: "status", "data-testid": "popup-waiting" }));
    stop.focus();
    try {
      await login;
      onLogin();
    } catch (failure) {
      settle();
      if (cancel.signal.aborted) {
        show();
        announce("Login cancelled");
        opener.focus();
      } else if (failure.code === "popup_blocked") {
        show(blocked());
      } else {
        show(loginProblem(igauth, failure));
        messages.firstElementChild.focus();
      }
    }
  });

  function blocked() {
    return notice({
      tone: "warn",
      title: "Your browser blocked the window",
      text: "Allow pop-ups for this page, or log in right here.",
      actions: [h("a", { class: "button primary", href: igauth.loginUrl() }, "Log in here instead")],
      role: "alert",
      "data-testid": "popup-blocked",
    });
  }

  show(farewell && notice({ role: "status", "data-testid": "farewell", ...farewell }), error && loginProblem(igauth, error));
  return h("div", { class: "view narrow", "data-testid": "signed-out" },
    h("div", { class: "card hero" },
      h("h1", { tabindex: "-1" }, "Connect your Instagram accounts"),
      h("p", { class: "lead" }, "Bring in the Instagram professional accounts that you manage through Facebook."),
      messages,
      choices,
      h("ul", { class: "promises" }, PROMISES.map(([title, text]) =>
        h("li", {}, icon("check"), h("div", {}, h("strong", {}, title), h("span", {}, text)))))));
}
