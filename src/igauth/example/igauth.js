// igauth for browsers: one file, no dependency, Safari 15 and up. Copy it, or `npm install igauth`.
// Built from clients/js: change it there.

// src/error.ts
var IgauthError = class extends Error {
  constructor(facts, options) {
    super(facts.detail || facts.title, options);
    this.name = "IgauthError";
    this.code = facts.code;
    this.status = facts.status ?? 0;
    this.title = facts.title;
    this.detail = facts.detail ?? "";
    this.retryable = facts.retryable ?? false;
    this.retryAfter = facts.retryAfter ?? null;
    this.action = facts.action ?? null;
    this.requestId = facts.requestId ?? null;
  }
};
function refused(response, body) {
  const problem = body && typeof body === "object" ? body : {};
  return new IgauthError({
    code: problem.code ?? "unreadable",
    status: response.status,
    title: problem.title ?? `The service answered ${response.status}`,
    detail: problem.detail,
    retryable: problem.retryable ?? response.status >= 500,
    retryAfter: parseInt(response.headers.get("Retry-After") ?? "", 10) || null,
    action: problem.action ?? null,
    requestId: problem.request_id ?? response.headers.get("X-Request-ID")
  });
}
function unreadable(status, cause) {
  return new IgauthError({ code: "unreadable", status, title: "Unreadable answer", retryable: true }, { cause });
}
function unanswered(cause, late) {
  const [code, title] = late ? ["timeout", "No answer in time"] : navigator.onLine === false ? ["offline", "You are offline"] : ["network", "The service can't be reached"];
  return new IgauthError({ code, title, retryable: true }, { cause });
}
function loginFailed(code, requestId) {
  const word = (text) => /^[\w.-]{1,64}$/.test(String(text)) ? String(text) : null;
  const known = word(code) ?? "server_error";
  return new IgauthError({
    code: known,
    title: "The login failed",
    retryable: /unavailable|limited|timeout|overloaded|server_error/.test(known),
    requestId: requestId ? word(requestId) : null
  });
}

// src/address.ts
var OURS = /^(error|error_description|request_id)(=|$)/;
function withoutOurs(address) {
  const [, path = "", query = "", hash = ""] = /^([^?#]*)\??([^#]*)(.*)$/.exec(address) ?? [];
  const rest = query.split("&").filter((pair) => pair && !OURS.test(pair)).join("&");
  return path + (rest && `?${rest}`) + (hash === "#_=_" ? "" : hash);
}
function takeLoginError() {
  const query = new URLSearchParams(location.search);
  const [code, requestId] = [query.get("error"), query.get("request_id")];
  if (!(code && requestId) && location.hash !== "#_=_") return null;
  const clean = code && requestId ? withoutOurs(location.href) : location.href.replace(/#_=_$/, "");
  history.replaceState(history.state, "", clean);
  return code && requestId ? loginFailed(code, requestId) : null;
}

// src/popup.ts
var LOOK_MS = 400;
var pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
function abortedBy(signal) {
  return signal.reason ?? new DOMException("Aborted", "AbortError");
}
async function popupLogin(address, origin, loggedIn, signal) {
  const popup = window.open(address, "igauth-login", "popup,width=560,height=760");
  if (!popup) throw new IgauthError({ code: "popup_blocked", title: "Window blocked" });
  const over = new AbortController();
  const until = { signal: over.signal };
  try {
    await new Promise((resolve, reject) => {
      addEventListener("message", ({ data, origin: from, source }) => {
        if (from !== origin || source !== popup || data?.source !== "igauth") return;
        if (data.ok) resolve();
        else reject(loginFailed(data.error, data.request_id));
      }, until);
      signal?.addEventListener("abort", () => {
        popup.close();
        reject(abortedBy(signal));
      }, until);
      whenClosed(popup, over.signal, loggedIn).then(resolve, reject);
    });
  } finally {
    over.abort();
  }
}
async function whenClosed(popup, over, loggedIn) {
  while (!over.aborted && !(popup.closed && document.hasFocus())) await pause(LOOK_MS);
  await pause(LOOK_MS);
  if (!over.aborted && !await loggedIn()) {
    throw new IgauthError({ code: "popup_closed", title: "Window closed" });
  }
}

// src/client.ts
var LONGEST_WAIT_S = 3;
var inBrowser = typeof window !== "undefined" && typeof document !== "undefined";
var Igauth = class {
  #options;
  #listing = null;
  #flights = /* @__PURE__ */ new Map();
  #listeners = /* @__PURE__ */ new Set();
  #watch = null;
  #channel = null;
  /** Last known: the person's id, "" after a change that we made, null for nobody. */
  #who;
  #state = null;
  /** Grows with each change, so that an answer from before isn't kept. */
  #epoch = 0;
  /** @param base igauth's origin; this page's own by default */
  constructor(base = location.origin, options = {}) {
    this.base = new URL(base).origin;
    this.#options = { retries: 2, timeoutMs: 3e4, ...options };
    this.loginError = inBrowser ? takeLoginError() : null;
  }
  // --- logging in and out ---
  /** Where to send the browser to log in: a link or `location.assign`, never a fetch. Works without a DOM. */
  loginUrl({ door, returnTo, prompt, reconnect, link } = {}) {
    const url = new URL(`/auth/${door ?? this.#firstDoor()}`, this.base);
    const back = returnTo ?? (inBrowser ? location.href : "");
    const query = { return_to: withoutOurs(back), prompt, reconnect, link: link && "true" };
    for (const [name, value] of Object.entries(query)) if (value) url.searchParams.set(name, value);
    return url.href;
  }
  /**
   * Logs in. By redirect this page is left; the failure of a login is then `loginError` of the
   * page that it comes back to. In a window (`mode: "popup"`) it resolves with the session, or
   * rejects with the login's code, `popup_blocked` (offer `loginUrl()` as a link) or
   * `popup_closed`; call it straight from a click, or browsers block the window.
   */
  async login({ mode = "redirect", signal, ...options } = {}) {
    const address = this.loginUrl(options);
    if (mode === "redirect") {
      location.assign(address);
      await new Promise((resolve) => addEventListener("pageshow", resolve, { once: true }));
      return this.session();
    }
    const before = this.#state?.user?.last_login_at;
    const loggedIn = async () => ((await this.session()).user?.last_login_at ?? before) !== before;
    await popupLogin(`${address}${address.includes("?") ? "&" : "?"}mode=popup`, this.base, loggedIn, signal);
    return this.#changed();
  }
  /** Ends this browser's session; the connections stay. */
  async logout() {
    await this.#send("POST", "/auth/logout");
    await this.#changed();
  }
  /** Who is here: `{authenticated, user, login_urls}`. Being nobody is no failure. */
  async session({ signal } = {}) {
    const session = await this.#shared("/auth/session", signal);
    this.#notice(session);
    return session;
  }
  /**
   * Tells of every change of who is here: a login, a logout, a session that ended; in this tab,
   * in another, or while nobody looked. Returns what ends it.
   */
  onSessionChange(listener) {
    this.#listeners.add(listener);
    this.#watch ??= this.#watchOver();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size) return;
      this.#watch?.abort();
      this.#watch = null;
    };
  }
  // --- what the person has ---
  /**
   * `{data, meta}`: the accounts, and why others aren't among them. An unchanged listing is the
   * same object again, and costs a 304. `refresh` asks Facebook now.
   */
  accounts({ refresh = false, signal } = {}) {
    return this.#shared(`/me/instagram-accounts${refresh ? "?refresh=true" : ""}`, signal, (path) => this.#list(path, refresh));
  }
  /** The person's connections: one through Facebook at most, any number through Instagram. */
  async connections({ signal } = {}) {
    return (await this.#shared("/me/connections", signal)).data;
  }
  /** The connection, checked at Meta now. */
  async verify(connectionId) {
    return (await this.#send("POST", `/me/connections/${encodeURIComponent(connectionId)}/verify`)).body;
  }
  /**
   * Ends a connection. The last one, and the one that signs the person in, end with everything
   * that is stored about them. `confirmed`: Meta has taken the access away already.
   */
  disconnect(connectionId) {
    return this.#end(`/me/connections/${encodeURIComponent(connectionId)}`);
  }
  /** Ends every connection and deletes everything that is stored about the person. */
  deleteEverything() {
    return this.#end("/me");
  }
  /** Every browser that is logged in as this person. */
  async sessions({ signal } = {}) {
    return (await this.#shared("/me/sessions", signal)).data;
  }
  async endSession(id) {
    await this.#send("DELETE", `/me/sessions/${encodeURIComponent(id)}`);
  }
  async endOtherSessions() {
    await this.#send("DELETE", "/me/sessions");
  }
  /** A code for your own server, good for a minute, once: it learns who this is (`POST /v1/handoffs/redeem`). */
  async handoff() {
    return (await this.#send("POST", "/me/handoff")).body;
  }
  /**
   * The link of a problem's, warning's or reason's action; null where there is nowhere to go.
   * igauth's own login links get `return_to`, so that the person comes back here.
   */
  actionUrl(action, returnTo) {
    let url;
    try {
      url = new URL(action?.url ?? "", action?.url ? this.base : void 0);
    } catch {
      return null;
    }
    const back = returnTo ?? (inBrowser ? location.href : "");
    if (url.origin === this.base && /^\/auth\/(facebook|instagram)$/.test(url.pathname) && back) {
      url.searchParams.set("return_to", withoutOurs(back));
    }
    return /^https?:$/.test(url.protocol) ? url.href : null;
  }
  // --- who is here, over time ---
  #firstDoor() {
    const urls = this.#state?.login_urls;
    return urls && !urls.facebook && urls.instagram ? "instagram" : "facebook";
  }
  #notice(session) {
    const who = session.user?.id ?? null;
    const changed = this.#who !== void 0 && this.#who !== who;
    this.#who = who;
    this.#state = session;
    if (!changed) return;
    this.#forget();
    this.#channel?.postMessage(0);
    for (const listener of [...this.#listeners]) listener(session);
  }
  /** After something that we did: whoever is here now is news. */
  #changed() {
    this.#who = "";
    this.#forget();
    return this.session();
  }
  #forget() {
    this.#epoch += 1;
    this.#listing = null;
    this.#flights.clear();
  }
  #watchOver() {
    const watch = new AbortController();
    const until = { signal: watch.signal };
    const look = () => void this.session().catch(() => {
    });
    if (!inBrowser) return watch;
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && look(), until);
    addEventListener("focus", look, until);
    addEventListener("pageshow", ({ persisted }) => persisted && look(), until);
    if (typeof BroadcastChannel !== "undefined") {
      const channel = this.#channel = new BroadcastChannel(`igauth ${this.base}`);
      channel.onmessage = look;
      watch.signal.addEventListener("abort", () => channel.close());
    }
    return watch;
  }
  // --- the wire ---
  async #list(path, refresh) {
    const known = refresh ? null : this.#listing;
    const asked = this.#epoch;
    const { status, etag, body } = await this.#send("GET", path, known ? { "If-None-Match": known.etag } : {}, refresh ? 0 : this.#options.retries);
    if (known && status === 304) return known.body;
    if (asked === this.#epoch) this.#listing = etag ? { etag, body } : null;
    return body;
  }
  async #end(path) {
    const { status } = await this.#send("DELETE", path);
    await this.#changed();
    return { confirmed: status === 204 };
  }
  /** Equal questions that are asked at the same time are asked once. */
  #shared(path, signal, ask) {
    let flight = this.#flights.get(path);
    if (!flight) {
      const own = (ask ? ask(path) : this.#send("GET", path).then(({ body }) => body)).finally(() => {
        if (this.#flights.get(path) === own) this.#flights.delete(path);
      });
      this.#flights.set(path, flight = own);
    }
    return signal ? orAborted(flight, signal) : flight;
  }
  async #send(method, path, headers = {}, retries = method === "GET" ? this.#options.retries : 0) {
    for (let tries = 0; ; tries++) {
      try {
        return await this.#ask(method, path, headers);
      } catch (error) {
        const { code, status, retryable, retryAfter } = error;
        if (status === 401 && this.#who) void this.#changed().catch(() => {
        });
        const wait = retryAfter ?? (0.4 + Math.random() * 0.4) * 2 ** tries;
        const hopeless = !retryable || code === "offline" || code === "timeout" || wait > LONGEST_WAIT_S;
        if (hopeless || tries >= retries) throw error;
        await pause(wait * 1e3);
      }
    }
  }
  async #ask(method, path, headers) {
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(), this.#options.timeoutMs);
    let response;
    let text;
    try {
      response = await fetch(this.base + path, {
        method,
        headers: { Accept: "application/json", ...headers },
        credentials: "include",
        // the session is a cookie
        signal: limit.signal
      });
      text = await response.text();
    } catch (cause) {
      throw unanswered(cause, limit.signal.aborted);
    } finally {
      clearTimeout(timer);
    }
    const fine = response.ok || response.status === 304;
    const body = parsed(text, response.status, fine);
    if (!fine) throw refused(response, body);
    return { status: response.status, etag: response.headers.get("ETag"), body };
  }
};
function parsed(text, status, needed) {
  try {
    return text ? JSON.parse(text) : null;
  } catch (cause) {
    if (needed) throw unreadable(status, cause);
    return null;
  }
}
function orAborted(flight, signal) {
  return new Promise((resolve, reject) => {
    const stop = () => reject(abortedBy(signal));
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
    flight.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}
export {
  Igauth,
  IgauthError
};
