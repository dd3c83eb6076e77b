// What went wrong, in words, with the one thing to do about it.

import { doorName } from "./doors.js";
import { busy, h, hidden, icon } from "./dom.js";

/** Failures of a login, by code; igauth's own description travels in the address, so isn't shown. */
const LOGIN_WORDS = {
  access_denied: ["You didn't allow the access", "Nothing was changed. You can try again whenever you like."],
  state_missing: ["The answer from {door} was incomplete", "Please start the login again."],
  state_mismatch: ["This browser didn't start that login", "It was begun in another browser or window, or cookies are blocked. Please start it again here, with cookies allowed."],
  state_expired: ["The login took too long", "More than 15 minutes had passed. Please start it again."],
  state_used: ["That login was already used", "Please start a new one."],
  code_rejected: ["{door} didn't accept the login", "Its code was used or had expired. Please start the login again."],
  token_not_ours: ["{door} didn't confirm this login", "It doesn't belong to this app and to you. Please start the login again."],
  account_switched: ["That was another {door} account", "Nothing was changed. At {door}, use the account that is connected here."],
  not_professional: ["That isn't a professional account", "Only business and creator accounts can be connected. In the Instagram app: Settings, Account type, Switch to professional; then try again."],
  app_access_missing: ["{door} doesn't let this app in yet", "The account has no role on the app, and the app isn't approved for others. Tell the people who run this service."],
  facebook_error: ["{door} refused the login", "If trying again doesn't help, tell the people who run this service."],
  facebook_rate_limited: ["{door} asks us to wait", "Too many logins at the moment. Please try again in a few minutes."],
  facebook_unavailable: ["{door} didn't answer", "This usually passes. Please try again in a moment."],
  service_misconfigured: ["This service isn't set up correctly at {door}", "Only the people who run it can mend that."],
  rate_limited: ["Too many tries", "Please wait a minute, then try again."],
  overloaded: ["Too many people at once", "Please try again in a moment."],
  database_unavailable: ["The service can't reach its database", "This usually passes. Please try again in a moment."],
  server_error: ["Something went wrong here", "It was noted. Please try again."],
  popup_closed: ["The window was closed", "The login wasn't finished."],
};
const SOFT = new Set(["access_denied", "popup_closed"]);
const HOPELESS = new Set(["service_misconfigured", "app_access_missing"]);

/** Failures that have no words of igauth's, because no igauth answered. */
const OWN_WORDS = {
  offline: "Your device has no connection. This goes on by itself when it is back.",
  network: "It doesn't answer, or this page's origin isn't one of its ALLOWED_ORIGINS.",
  timeout: "The service took too long to answer.",
  unreadable: "The answer isn't one of igauth's. Something in between may have answered.",
};

const LABELS = {
  login: "Log in",
  reconnect: "Reconnect",
  grant_permissions: "Choose permissions at Facebook",
  link_page: "Link an Instagram account",
  visit_facebook: "Go to Facebook",
  visit_instagram: "Go to Instagram",
};
const ELSEWHERE = new Set(["link_page", "visit_facebook", "visit_instagram"]);

/** Where Meta is only played, its pages are the control panel. */
const panel = document.querySelector('meta[name="offline-facebook"]').content;

/** A link to one of Meta's own pages, in a tab of its own; it says where it leads in the sandbox. */
export function awayLink(url, label, { primary = false, ...attributes } = {}) {
  return h("a", {
    class: `button ${primary ? "primary" : ""}`, href: panel || url, target: "_blank", rel: "noopener noreferrer", ...attributes,
  }, label, icon("out"), panel && h("span", { class: "simulated", title: "Opens the sandbox's panel" }, "simulated"), hidden(" (opens in a new tab)"));
}

/** The fix of a problem, warning or reason as a link; null where there is nothing to click. */
export function actionLink(igauth, action, { label, primary = false } = {}) {
  const url = igauth.actionUrl(action);
  if (!url || !LABELS[action.kind]) return null;
  const text = label ?? LABELS[action.kind];
  if (ELSEWHERE.has(action.kind)) return awayLink(url, text, { primary, "data-action": action.kind });
  return h("a", { class: `button ${primary ? "primary" : ""}`, href: url, "data-action": action.kind }, text);
}

/** A coloured box with a title, a sentence and what to do. `tone`: info, warn, bad, good. */
export function notice({ tone = "info", title, text, reference, actions = [], heading = "p", ...attributes }) {
  const sign = { info: "info", warn: "warn", bad: "warn", good: "check" }[tone];
  return h("div", { class: `notice ${tone}`, ...attributes },
    icon(sign),
    h("div", { class: "notice-text" },
      h(heading, { class: "notice-title" }, title),
      text && (typeof text === "string" ? h("p", {}, text) : text),
      reference && h("p", { class: "reference" }, "Reference for support: ", h("code", {}, reference))),
    h("div", { class: "notice-actions" }, actions));
}

/** What an IgauthError means for a part of the page, and its way out: a link, or trying again. */
export function problemBox(igauth, error, retry, { label } = {}) {
  const link = actionLink(igauth, error.action, { label, primary: true });
  const grave = error.status >= 500 || error.action?.kind === "contact_operator";
  return notice({
    tone: error.retryable ? "warn" : "bad",
    heading: "h2",
    title: error.title || "Something went wrong",
    text: error.detail || OWN_WORDS[error.code] || error.message,
    reference: grave ? error.requestId : null,
    actions: [link, retry && (error.retryable || !link) && retryButton(error.retryAfter, retry)],
    role: "alert",
    "data-testid": "problem",
    "data-code": error.code,
  });
}

/** "Try again", which counts the seconds down that the service asked to wait. */
function retryButton(seconds, retry) {
  const button = h("button", { type: "button", class: "button", onclick: () => busy(button, retry) }, "Try again");
  let left = seconds ?? 0;
  const tell = () => {
    if (left <= 0) {
      button.textContent = "Try again";
      button.disabled = false;
      return;
    }
    button.disabled = true;
    button.textContent = `Try again in ${left < 120 ? `${left} s` : `${Math.ceil(left / 60)} min`}`;
    left -= 1;
    setTimeout(tell, 1000);
  };
  tell();
  return button;
}

/** A login that failed, at the door that it went through. */
export function loginProblem(igauth, error, door = "facebook") {
  const words = LOGIN_WORDS[error.code] ?? ["The login didn't succeed", "Please try again."];
  const [title, text] = words.map((each) => each.replaceAll("{door}", doorName(door)));
  const soft = SOFT.has(error.code);
  return notice({
    tone: soft ? "info" : "bad",
    heading: "h2",
    title,
    text,
    reference: soft ? null : error.requestId,
    actions: [!HOPELESS.has(error.code) && h("a", { class: "button", href: igauth.loginUrl({ door }) }, "Try again")],
    role: "alert",
    tabindex: "-1",
    "data-testid": "login-error",
    "data-code": error.code,
  });
}
