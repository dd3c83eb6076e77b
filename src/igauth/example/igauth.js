/**
 * Everything a front end needs to talk to igauth. One file, no dependency: copy it.
 *
 *     const igauth = new Igauth("https://connect.example.com");
 *     const { authenticated, user } = await igauth.session();
 *     if (!authenticated) location.assign(igauth.loginUrl());
 *     const { data, meta } = await igauth.accounts();
 *
 * Every failure is an IgauthError; decide by `error.code`, never by its text.
 */

const GIVE_UP_MS = 30_000;
const POPUP_LOOK_MS = 400;

/** An answer that isn't a success (RFC 9457), a login that failed, or no answer at all. */
export class IgauthError extends Error {
  /**
   * @param {object} facts
   * @param {string} facts.code stable, snake_case; igauth's, or one of this file's own:
   *   `network`, `offline`, `timeout`, `unreadable`, `popup_blocked`, `popup_closed`
   * @param {number} [facts.status] HTTP status; 0 where there was no answer
   * @param {{kind: string, url: string | null} | null} [facts.action] what the person can do
   * @param {number | null} [facts.retryAfter] seconds
   */
  constructor({ code, status = 0, title = code, detail = "", retryable = false, retryAfter = null,
    action = null, requestId = null }, options) {
    super(detail || title, options);
    Object.assign(this, { name: "IgauthError", code, status, title, detail, retryable, retryAfter,
      action, requestId });
  }
}

export class Igauth {
  #origin;
  #listing = null;

  /** @param {string} base igauth's origin; this page's own by default */
  constructor(base = location.origin) {
    this.base = base.replace(/\/+$/, "");
    this.#origin = new URL(this.base).origin;
  }

  // --- logging in and out ---

  /**
   * Where to send the browser to log in: a link or `location.assign`, never a fetch.
   * @param {object} [options]
   * @param {string} [options.returnTo] where it ends; this page by default
   * @param {"redirect" | "popup"} [options.mode]
   * @param {"select" | "reauthorize"} [options.prompt] ask again / renew access to data
   * @param {string} [options.reconnect] id of the connection that must come back
   */
  loginUrl({ returnTo = location.href, mode, prompt, reconnect } = {}) {
    const url = new URL(`${this.base}/auth/facebook`);
    const query = { return_to: returnTo, mode, prompt, reconnect };
    for (const [name, value] of Object.entries(query)) if (value) url.searchParams.set(name, value);
    return url.href;
  }

  /**
   * The link of a problem's, warning's or reason's action; null where there is nowhere to go.
   * igauth's own login links get `return_to`, so that the person comes back here.
   */
  actionUrl(action, returnTo = location.href) {
    if (!action?.url || !URL.canParse(action.url, this.base)) return null;
    const url = new URL(action.url, this.base);
    if (url.origin === this.#origin && url.pathname === "/auth/facebook") {
      url.searchParams.set("return_to", returnTo);
    }
    return ["https:", "http:"].includes(url.protocol) ? url.href : null;
  }

  /**
   * Log in through a window of its own. Call it straight from a click, or browsers block it.
   * Resolves once there is a session; rejects with the login's error, `popup_blocked` (offer
   * `loginUrl()` as a link), `popup_closed`, or the reason of `signal`.
   */
  logInByPopup({ signal, ...options } = {}) {
    const address = this.loginUrl({ ...options, mode: "popup" });
    const popup = window.open(address, "igauth-login", "popup,width=560,height=760");
    if (!popup) {
      return Promise.reject(new IgauthError({ code: "popup_blocked", title: "Window blocked" }));
    }
    this.#listing = null;
    const over = new AbortController();
    return new Promise((resolve, reject) => {
      addEventListener("message", (event) => {
        // Anybody may post messages: only igauth's origin, only from our own window.
        if (event.origin !== this.#origin || event.source !== popup) return;
        if (event.data?.source !== "igauth") return;
        if (event.data.ok) resolve();
        else reject(new IgauthError({ code: String(event.data.error), requestId: event.data.request_id }));
      }, { signal: over.signal });
      signal?.addEventListener("abort", () => {
        popup.close();
        reject(signal.reason);
      }, { signal: over.signal });
      this.#whenClosed(popup, over.signal).then(resolve, reject);
    }).finally(() => over.abort());
  }

  /** Closed without a word, or cut off by a page's Cross-Origin-Opener-Policy: ask igauth. */
  async #whenClosed(popup, over) {
    while (!popup.closed && !over.aborted) await pause(POPUP_LOOK_MS);
    await pause(POPUP_LOOK_MS); // a message may still be on its way
    if (over.aborted) return;
    const { authenticated } = await this.session();
    if (!authenticated) throw new IgauthError({ code: "popup_closed", title: "Window closed" });
  }

  /**
   * The failure that a login by redirect came back with, or null; cleans the address.
   * Anybody can make such a link: show your own words for `code`, not its description.
   */
  takeLoginError() {
    const url = new URL(location.href);
    const [code, requestId] = [url.searchParams.get("error"), url.searchParams.get("request_id")];
    for (const name of ["error", "error_description", "request_id"]) url.searchParams.delete(name);
    if (url.hash === "#_=_") url.hash = ""; // Facebook's; browsers carry it over redirects
    if (url.href !== location.href) history.replaceState(history.state, "", url.href);
    if (!code) return null;
    const known = /^[\w.-]{1,64}$/;
    return new IgauthError({
      code: known.test(code) ? code : "unknown",
      requestId: known.test(requestId ?? "") ? requestId : null,
    });
  }

  /** `{authenticated, user, login_url}`; never a 401. */
  session() {
    return this.#json("GET", "/auth/session");
  }

  async logOut() {
    this.#listing = null;
    await this.#run("POST", "/auth/logout");
  }

  // --- what the person has ---

  /** `{data, meta}`. Unchanged listings cost a 304; `refresh` asks Facebook now. */
  async accounts({ refresh = false } = {}) {
    const known = refresh ? null : this.#listing;
    const response = await this.#send("GET", `/me/instagram-accounts${refresh ? "?refresh=true" : ""}`,
      known ? { "If-None-Match": known.etag } : {});
    if (known && response.status === 304) return known.body;
    const [etag, body] = [response.headers.get("ETag"), await readJson(response)];
    this.#listing = etag ? { etag, body } : null;
    return body;
  }

  /** The person's one Facebook connection, or null. */
  async connection() {
    const { data } = await this.#json("GET", "/me/connections");
    return data[0] ?? null;
  }

  /** The connection, checked at Facebook now. */
  verify(connectionId) {
    return this.#json("POST", `/me/connections/${encodeURIComponent(connectionId)}/verify`);
  }

  /** Ends the connection and deletes everything; false where Facebook has yet to confirm. */
  async disconnect(connectionId) {
    this.#listing = null;
    const path = `/me/connections/${encodeURIComponent(connectionId)}`;
    return (await this.#run("DELETE", path)) === 204;
  }

  /** Every browser that is logged in as this person. */
  async sessions() {
    return (await this.#json("GET", "/me/sessions")).data;
  }

  async endSession(id) {
    await this.#run("DELETE", `/me/sessions/${encodeURIComponent(id)}`);
  }

  async endOtherSessions() {
    await this.#run("DELETE", "/me/sessions");
  }

  // --- the wire ---

  async #json(method, path) {
    return readJson(await this.#send(method, path));
  }

  /** The status of what answers without a body. */
  async #run(method, path) {
    const response = await this.#send(method, path);
    await response.text(); // read to its end, else browsers note the request as aborted
    return response.status;
  }

  async #send(method, path, headers = {}) {
    let response;
    try {
      response = await fetch(this.base + path, {
        method,
        headers: { Accept: "application/json", ...headers },
        credentials: "include", // the session is a cookie
        signal: AbortSignal.timeout(GIVE_UP_MS),
      });
    } catch (error) {
      throw noAnswer(error);
    }
    if (response.ok || response.status === 304) return response;
    if (response.status === 401) this.#listing = null;
    throw await toError(response);
  }
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function readJson(response) {
  try {
    return await response.json();
  } catch (error) {
    const facts = { code: "unreadable", status: response.status, title: "Unreadable answer" };
    throw new IgauthError({ ...facts, retryable: true }, { cause: error });
  }
}

/** A problem (RFC 9457), or what something in between (a proxy) answered in its place. */
async function toError(response) {
  const problem = await response.json().catch(() => ({}));
  return new IgauthError({
    code: problem.code ?? "unreadable",
    status: response.status,
    title: problem.title ?? `The service answered ${response.status}`,
    detail: problem.detail,
    retryable: problem.retryable ?? response.status >= 500,
    retryAfter: Number.parseInt(response.headers.get("Retry-After"), 10) || null,
    action: problem.action ?? null,
    requestId: problem.request_id ?? response.headers.get("X-Request-ID"),
  });
}

function noAnswer(cause) {
  const slow = cause.name === "TimeoutError";
  const code = slow ? "timeout" : navigator.onLine ? "network" : "offline";
  const title = { timeout: "No answer in time", network: "The service can't be reached",
    offline: "You are offline" }[code];
  return new IgauthError({ code, title, retryable: true }, { cause });
}
