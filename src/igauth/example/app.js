// The example single-page app: who is here, which view, and what all views share.

import { accountsView } from "./accounts.js";
import { connectionView } from "./connection.js";
import { devicesView } from "./devices.js";
import { avatar, busy, foreign, h } from "./dom.js";
import { refreshTimes } from "./format.js";
import { Igauth } from "./igauth.js";
import { loginView } from "./login.js";
import { loginProblem, problemBox } from "./problems.js";

const setting = (name) => document.querySelector(`meta[name="${name}"]`).content;
const part = (id) => document.getElementById(id);

const igauth = new Igauth(setting("igauth-base") || location.origin);
const tabs = new BroadcastChannel("igauth-example");
const VIEWS = {
  "#/accounts": ["Accounts", accountsView],
  "#/connection": ["Connection", connectionView],
  "#/devices": ["Devices", devicesView],
};
const WORDS = {
  ended: { title: "Your session has ended", text: "Log in again to go on." },
  out: { tone: "good", title: "You are logged out", text: "Your connection stays; log in again at any time." },
  deleted: { tone: "good", title: "Disconnected", text: "Facebook confirmed it, and everything stored about you was deleted." },
  queued: { tone: "good", title: "Disconnected", text: "Everything stored about you was deleted. Facebook hasn't confirmed yet; the service goes on asking by itself." },
};

let store = { listing: null, connection: null };
let session = null;
let view = null;

// --- who is here ---

async function start({ error = null, focus = false } = {}) {
  const before = session?.user?.id;
  try {
    session = await igauth.session();
  } catch (failure) {
    frame(h("div", { class: "view narrow" }, problemBox(igauth, failure, start)), "Not reachable");
    if (failure.code === "offline") addEventListener("online", () => start({ error }), { once: true });
    return;
  }
  if (wrongLoopback(session.login_url)) return;
  if (session.user?.id !== before) store = { listing: null, connection: null };
  if (session.authenticated) enter({ error, focus });
  else leave({ error, focus });
}

/** 127.0.0.1 and localhost keep separate cookies: go to the one that the login comes back to. */
function wrongLoopback(loginUrl) {
  const right = new URL(loginUrl);
  const loopback = (host) => ["localhost", "127.0.0.1", "[::1]"].includes(host);
  const wrong = !setting("igauth-base") && right.host !== location.host && loopback(location.hostname) && loopback(right.hostname);
  if (wrong) location.replace(right.origin + location.pathname + location.hash);
  return wrong;
}

function enter({ error, focus }) {
  const { user } = session;
  part("who").replaceChildren(avatar(user.name ?? "?", user.id, user.picture_url), foreign(user.name ?? "Somebody"));
  showChrome(true);
  route({ focus });
  if (error) {
    const box = loginProblem(igauth, error);
    view.element.querySelector(".view-head").after(box);
    box.focus();
  }
}

function leave({ farewell = null, error = null, focus = true } = {}) {
  store = { listing: null, connection: null };
  session = null;
  view = null;
  showChrome(false);
  frame(loginView({ igauth, announce, farewell, error, onLogin }), "Log in");
  if (error) document.querySelector('[data-testid="login-error"]').focus();
  else if (focus) part("main").querySelector("h1").focus();
}

function onLogin() {
  tabs.postMessage("session");
  announce("You are logged in");
  start({ focus: true });
}

async function logOut() {
  try {
    await igauth.logOut();
    tabs.postMessage("session");
    leave({ farewell: WORDS.out });
  } catch (error) {
    announce(`Not logged out: ${error.title}`);
  }
}

function onDisconnected(confirmed) {
  tabs.postMessage("session");
  leave({ farewell: confirmed ? WORDS.deleted : WORDS.queued });
}

/** Whether the error was dealt with here: no session any more. A 401 means nothing else. */
function fail(error) {
  if (error.status !== 401) {
    if (!error.code) console.error(error); // not igauth's: a mistake of this page
    return false;
  }
  if (session) leave({ farewell: WORDS.ended });
  return true;
}

// --- which view ---

function route({ focus = true } = {}) {
  if (!session) return;
  const hash = location.hash in VIEWS ? location.hash : "#/accounts";
  const [title, make] = VIEWS[hash];
  for (const link of part("nav").children) {
    if (link.hash === hash) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  view = make({ igauth, announce, store, fail, logOut, onDisconnected });
  frame(view.element, title);
  if (focus) view.element.querySelector("h1").focus();
}

function frame(element, title) {
  // Pictures that are still on their way would be asked for without a view, or a session.
  for (const image of part("main").querySelectorAll("img")) if (!image.complete) image.removeAttribute("src");
  part("main").replaceChildren(element);
  document.title = `${title} · Connected accounts`;
  scrollTo(0, 0);
}

function showChrome(inside) {
  for (const id of ["nav", "who", "log-out"]) part(id).hidden = !inside;
}

let fading;
/** A passing word for everybody: shown, and read out. */
function announce(text) {
  clearTimeout(fading);
  part("status").textContent = text;
  fading = setTimeout(() => (part("status").textContent = ""), 4500);
}

// --- what happens around ---

addEventListener("hashchange", () => {
  part("status").textContent = "";
  route();
});
part("log-out").addEventListener("click", () => busy(part("log-out"), logOut));
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address' hash names the view
  part("main").focus();
});

// Another tab logged in or out.
tabs.addEventListener("message", () => start());

// Back from the background (or from Facebook's settings): a 304 if nothing changed.
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") view?.revisit();
});

addEventListener("online", () => view?.revisit());

// Out of the back-forward cache, perhaps after a logout.
addEventListener("pageshow", (event) => event.persisted && start());
setInterval(refreshTimes, 30_000);

const panel = setting("offline-facebook");
if (panel) {
  part("offline-panel").href = panel;
  part("offline").hidden = false;
}

start({ error: igauth.takeLoginError() });
