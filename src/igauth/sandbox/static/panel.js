// Keeps the control panel up to date, and sends its forms without leaving the page. Without this
// script the same page works by links and forms: all is rendered by the server, here it is only
// compared and exchanged.

const POLL_MS = 1500;
const RENEW_MS = 30_000;
const SAID_MS = 6000;

const main = document.getElementById("main");
const pulse = document.getElementById("pulse");
const pause = document.getElementById("pause");
const outcome = document.getElementById("outcome");
let [timer, saidTimer, renewedAt, paused] = [0, 0, Date.now(), false];

// --- exchanging what changed ---

const KEPT = new Set(["open"]);
const key = (node) => node.dataset?.key;
const alike = (one, other) => one.nodeType === other.nodeType && one.nodeName === other.nodeName && key(one) === key(other);

/** Makes `old` equal to `fresh`; what didn't change keeps its focus, choice and open details. */
function morph(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeType !== Node.ELEMENT_NODE) {
    old.nodeValue = fresh.nodeValue;
    return;
  }
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !KEPT.has(name)) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  morphChildren(old, fresh);
}

function morphChildren(old, fresh) {
  const keyed = new Map([...old.children].filter(key).map((child) => [key(child), child]));
  let at = old.firstChild;
  for (const node of [...fresh.childNodes]) {
    const match = key(node) ? keyed.get(key(node)) : at && alike(at, node) ? at : null;
    if (!match) {
      arrive(node);
      old.insertBefore(node, at);
      continue;
    }
    if (match === at) at = at.nextSibling;
    else old.insertBefore(match, at);
    morph(match, node);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

function arrive(node) {
  if (key(node)?.startsWith("call-")) node.classList.add("new");
}

function show(page) {
  const focused = document.activeElement?.closest("[data-live]");
  const heading = focused?.closest("section").querySelector("h2");
  for (const region of main.querySelectorAll("[data-live]")) {
    const fresh = page.querySelector(`[data-live="${region.dataset.live}"]`);
    if (fresh) morphChildren(region, fresh);
  }
  main.dataset.mark = page.getElementById("main").dataset.mark;
  if (focused && document.activeElement === document.body) heading.focus();
}

const parsed = async (answer) => new DOMParser().parseFromString(await answer.text(), "text/html");

async function renew() {
  const answer = await fetch("", { cache: "no-store" });
  if (!answer.ok) throw new Error(`the panel answered ${answer.status}`);
  show(await parsed(answer));
  renewedAt = Date.now();
}

// --- looking for calls ---

async function look() {
  clearTimeout(timer);
  try {
    const answer = await fetch(`${main.dataset.calls}?limit=1`, { cache: "no-store" });
    if (!answer.ok) throw new Error(`the calls answered ${answer.status}`);
    const { meta } = await answer.json();
    if (meta.mark !== main.dataset.mark || Date.now() - renewedAt > RENEW_MS) await renew();
    state("live", "Live");
  } catch {
    state("lost", "Not reachable");
  }
  if (watching()) timer = setTimeout(look, POLL_MS);
}

const watching = () => !paused && document.visibilityState === "visible";

function state(name, text) {
  if (!paused) Object.assign(pulse, { className: `pulse quiet ${name}`, textContent: text });
}

function resume() {
  clearTimeout(timer);
  if (watching()) look();
}

function togglePause() {
  paused = !paused;
  pause.textContent = paused ? "Resume" : "Pause";
  pause.setAttribute("aria-pressed", String(paused));
  Object.assign(pulse, { className: `pulse quiet ${paused ? "paused" : "live"}`, textContent: paused ? "Paused" : "Live" });
  resume();
}

// --- forms ---

async function send(form, button) {
  const url = button?.getAttribute("formaction") ?? form.getAttribute("action");
  const body = new URLSearchParams(new FormData(form, button));
  form.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(url, { method: "POST", body });
    const page = await parsed(answer);
    if (answer.ok) show(page);
    say(answer.ok ? done(form) : page.getElementById("problem")?.textContent ?? "Not done.", !answer.ok);
  } catch {
    say("Not done: the sandbox can't be reached.", true);
  } finally {
    form.removeAttribute("aria-busy");
  }
}

/** What became of a form; of a signed callback, the app's answer. */
function done(form) {
  if (!form.action.endsWith("/signed-requests")) return form.dataset.done;
  const facts = document.querySelectorAll(".deliveries li:first-child > span > span");
  return [...facts].map((fact) => fact.textContent).join(" · ") || form.dataset.done;
}

function say(text, bad) {
  clearTimeout(saidTimer);
  outcome.hidden = false;
  outcome.className = bad ? "wrong" : "";
  outcome.textContent = text;
  saidTimer = setTimeout(() => { outcome.hidden = true; }, SAID_MS);
}

document.addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.target;
  if (form.getAttribute("aria-busy") !== "true") send(form, event.submitter);
});
document.addEventListener("visibilitychange", resume);
pause.addEventListener("click", togglePause);
document.getElementById("again").hidden = true;
pulse.hidden = pause.hidden = false;
look();
