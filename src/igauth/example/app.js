// The example single-page app: who is here, which view, and what all views share.

import { accountsView } from "./accounts.js";
import { connectionsView } from "./connection.js";
import { devicesView } from "./devices.js";
import { doorName } from "./doors.js";
import { avatar, busy, foreign, h } from "./dom.js";
import { plural, refreshTimes } from "./format.js";
import { Igauth } from "./igauth.js";
import { loginView } from "./login.js";
import { loginProblem, notice, problemBox } from "./problems.js";

const setting = (name) => document.querySelector(`meta[name="${name}"]`).content;
const part = (id) => document.getElementById(id);

const igauth = new Igauth(setting("igauth-base") || location.origin);
const VIEWS = {
  "#/accounts": ["Accounts", accountsView],
  "#/connections": ["Connections", connectionsView],
  "#/devices": ["Devices", devicesView],
};
const WORDS = {
  ended: { title: "Your session has ended", text: "You were logged out here or elsewhere. Log in again to go on." },
  out: { tone: "good", title: "You are logged out", text: "Your connections stay; log in again at any time." },
  deleted: { tone: "good", title: "Disconnected", text: "{door} confirmed it, and everything stored about you was deleted." },
  forgotten: { tone: "good", title: "Disconnected", text: "Everything stored about you was deleted. Instagram lists the app until you remove it there." },
  queued: { tone: "good", title: "Disconnected", text: "Everything stored about you was deleted. {door} hasn't confirmed yet; the service goes on asking by itself." },
};
const DEPARTURE = "igauth-example-departure";

let store = { listing: null, connections: null };
let session = null;
let view = null;
/** What to say when the session is next found ended. */
let farewell = WORDS.ended;

// --- who is here ---

async function start({ arrival = {}, focus = false } = {}) {
  try {
    adopt(await igauth.session(), { arrival, focus });
  } catch (failure) {
    frame(h("div", { class: "view narrow" }, problemBox(igauth, failure, () => start({ arrival, focus }))), "Not reachable");
    if (failure.code === "offline") addEventListener("online", () => start({ arrival, focus }), { once: true });
  }
}

/** Shows the app to whoever is here now; `arrival`: how the login ended that led here. */
function adopt(now, { arrival = {}, focus = true } = {}) {
  if (wrongLoopback(now.login_url)) return;
  const before = session;
  session = now;
  if (before?.user?.id !== now.user?.id) store = { listing: null, connections: null };
  if (now.authenticated) enter({ arrival, focus });
  else leave({ arrival, focus, parting: before?.authenticated ? farewell : null });
}

/** 127.0.0.1 and localhost keep separate cookies: go to the one that the login comes back to. */
function wrongLoopback(loginUrl) {
  const right = new URL(loginUrl);
  const loopback = (host) => ["localhost", "127.0.0.1", "[::1]"].includes(host);
  const wrong = !setting("igauth-base") && right.host !== location.host && loopback(location.hostname) && loopback(right.hostname);
  if (wrong) location.replace(right.origin + location.pathname + location.hash);
  return wrong;
}

function enter({ arrival, focus }) {
  const { user } = session;
  part("who").replaceChildren(avatar(user.name ?? "?", user.id, user.picture_url), foreign(user.name ?? "Somebody"));
  showChrome(true);
  route({ focus });
  if (arrival.error) {
    const box = loginProblem(igauth, arrival.error, arrival.door);
    view.element.querySelector(".view-head").after(box);
    box.focus();
  } else if (arrival.door && arrival.since !== user.last_login_at) {
    welcome(); // and not only the way back from a dialog that was left
  }
}

/** A word after a login: what it changed. */
async function welcome() {
  const { element } = view;
  const connections = await igauth.connections().catch(() => []);
  const consents = connections.map((connection) => connection.last_consent).filter(Boolean);
  const latest = consents.sort((one, other) => other.at.localeCompare(one.at))[0];
  if (!latest || !element.isConnected) return;
  const parts = [[latest.added, "added"], [latest.kept, "as before"], [latest.lost, "no longer shared"]]
    .filter(([ids]) => ids.length).map(([ids, word]) => `${plural(ids.length, "account")} ${word}`);
  element.querySelector(".view-head").after(notice({
    tone: "good", title: "You are connected", text: parts.length ? `${parts.join(", ")}.` : "", role: "status", "data-testid": "welcome",
  }));
}

function leave({ arrival, focus, parting }) {
  view = null;
  showChrome(false);
  const doors = session.login_urls ?? { facebook: session.login_url };
  frame(loginView({ igauth, announce, doors, onLogin: welcome, farewell: parting, ...arrival }), "Log in");
  if (arrival.error) document.querySelector('[data-testid="login-error"]').focus();
  else if (focus) part("main").querySelector("h1").focus();
}

async function logOut() {
  farewell = WORDS.out;
  try {
    await igauth.logout();
  } catch (error) {
    announce(`Not logged out: ${error.title}`);
  } finally {
    farewell = WORDS.ended;
  }
}

/** Ends a connection; where the session went with it, the farewell says so. */
async function disconnect({ id, provider }) {
  const words = ({ text, ...rest }) => ({ ...rest, text: text.replace("{door}", doorName(provider)) });
  farewell = words(provider === "facebook" ? WORDS.deleted : WORDS.forgotten);
  store.listing = null;
  try {
    const { confirmed } = await igauth.disconnect(id);
    if (!session.authenticated && !confirmed) leave({ arrival: {}, focus: true, parting: words(WORDS.queued) });
  } finally {
    farewell = WORDS.ended;
  }
}

/** Whether the error was dealt with here: no session any more. A 401 means nothing else. */
function fail(error) {
  if (error.status !== 401 && !error.code) console.error(error); // not igauth's: a mistake of this page
  return error.status === 401;
}

// --- which view ---

function route({ focus = true } = {}) {
  if (!session?.authenticated) return;
  const hash = location.hash in VIEWS ? location.hash : "#/accounts";
  const [title, make] = VIEWS[hash];
  for (const link of part("nav").children) {
    if (link.hash === hash) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  view = make({ igauth, announce, store, fail, logOut, disconnect, doors: session.login_urls ?? {} });
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

// --- leaving for a login, and coming back ---

/** Remembers through which door the person leaves, for the words at the return. */
function depart(event) {
  const link = event.target.closest?.("a[href]");
  const door = link && new URL(link.href).origin === igauth.base && /^\/auth\/(facebook|instagram)$/.exec(new URL(link.href).pathname)?.[1];
  if (!door || link.target) return;
  try {
    sessionStorage.setItem(DEPARTURE, JSON.stringify({ door, since: session?.user?.last_login_at }));
  } catch {
    // storage is switched off: the words will be about Facebook
  }
}

function arrived() {
  try {
    const departure = JSON.parse(sessionStorage.getItem(DEPARTURE));
    sessionStorage.removeItem(DEPARTURE);
    return { ...departure, error: igauth.loginError };
  } catch {
    return { error: igauth.loginError };
  }
}

// --- what happens around ---

document.addEventListener("click", depart);
addEventListener("hashchange", () => {
  part("status").textContent = "";
  route();
});
part("log-out").addEventListener("click", () => busy(part("log-out"), logOut));
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address' hash names the view
  part("main").focus();
});

// Back from the background (or from Facebook's settings): a 304 if nothing changed.
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") view?.revisit();
});

addEventListener("online", () => view?.revisit());
setInterval(refreshTimes, 30_000);

const panel = setting("offline-facebook");
if (panel) {
  part("offline-panel").href = panel;
  part("offline").hidden = false;
}

igauth.onSessionChange((now) => adopt(now)); // here, in another tab, or while nobody looked
start({ arrival: arrived() });
