import { takeLoginError, withoutOurs } from "./address.js";
import type { Action, Connection, HandoffCode, Listing, Session, SessionState } from "./api.js";
import { type IgauthError, refused, unanswered, unreadable } from "./error.js";
import { abortedBy, pause, popupLogin } from "./popup.js";

/** Through which of Meta's logins: `session().login_urls` names the ones that are open. */
export type Door = "facebook" | "instagram";

export interface LoginOptions {
  /** `facebook` by default, or the one that is open. */
  door?: Door | undefined;
  /** Where it ends: an address of an allowed origin, or a path. This page by default. */
  returnTo?: string | undefined;
  /** `select`: Facebook asks again for permissions and accounts; `reauthorize`: renews access to data. */
  prompt?: "select" | "reauthorize" | undefined;
  /** Id of the connection that must come back. */
  reconnect?: string | undefined;
  /** Adds Facebook to a person who came by Instagram. */
  link?: boolean | undefined;
}

export interface Options {
  /** How often what is `retryable` is asked again by itself: 2. Only questions, never changes. */
  retries?: number;
  /** When to give an answer up: 30,000 ms. */
  timeoutMs?: number;
}

interface Answer {
  status: number;
  etag: string | null;
  body: unknown;
}

const LONGEST_WAIT_S = 3;
const inBrowser = typeof window !== "undefined" && typeof document !== "undefined";

/**
 * igauth, as a front end sees it. Make one for each page, before a router reads the address.
 *
 *     const igauth = new Igauth("https://connect.example.com");
 *     const { authenticated, user } = await igauth.session();
 *     if (!authenticated) button.onclick = () => igauth.login();
 *     else console.log((await igauth.accounts()).data);
 *
 * Every failure is an IgauthError; decide by `error.code`.
 */
export class Igauth {
  /** igauth's origin. */
  readonly base: string;
  /** The failure that a login by redirect came back with, taken out of the address; else null. */
  readonly loginError: IgauthError | null;
  #options: Required<Options>;
  #listing: { etag: string; body: Listing } | null = null;
  #flights = new Map<string, Promise<unknown>>();
  #listeners = new Set<(session: SessionState) => void>();
  #watch: AbortController | null = null;
  #channel: BroadcastChannel | null = null;
  /** Last known: the person's id, "" after a change that we made, null for nobody. */
  #who: string | null | undefined;
  #state: SessionState | null = null;
  /** Grows with each change, so that an answer from before isn't kept. */
  #epoch = 0;

  /** @param base igauth's origin; this page's own by default */
  constructor(base: string = location.origin, options: Options = {}) {
    this.base = new URL(base).origin;
    this.#options = { retries: 2, timeoutMs: 30_000, ...options };
    this.loginError = inBrowser ? takeLoginError() : null;
  }

  // --- logging in and out ---

  /** Where to send the browser to log in: a link or `location.assign`, never a fetch. Works without a DOM. */
  loginUrl({ door, returnTo, prompt, reconnect, link }: LoginOptions = {}): string {
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
  async login({ mode = "redirect", signal, ...options }: LoginOptions & { mode?: "redirect" | "popup"; signal?: AbortSignal } = {}): Promise<SessionState> {
    const address = this.loginUrl(options);
    if (mode === "redirect") {
      location.assign(address);
      // Only a page that comes out of the back-forward cache gets further.
      await new Promise((resolve) => addEventListener("pageshow", resolve, { once: true }));
      return this.session();
    }
    const before = this.#state?.user?.last_login_at;
    const loggedIn = async () => ((await this.session()).user?.last_login_at ?? before) !== before;
    await popupLogin(`${address}${address.includes("?") ? "&" : "?"}mode=popup`, this.base, loggedIn, signal);
    return this.#changed();
  }

  /** Ends this browser's session; the connections stay. */
  async logout(): Promise<void> {
    await this.#send("POST", "/auth/logout");
    await this.#changed();
  }

  /** Who is here: `{authenticated, user, login_urls}`. Being nobody is no failure. */
  async session({ signal }: { signal?: AbortSignal } = {}): Promise<SessionState> {
    const session = await this.#shared<SessionState>("/auth/session", signal);
    this.#notice(session);
    return session;
  }

  /**
   * Tells of every change of who is here: a login, a logout, a session that ended; in this tab,
   * in another, or while nobody looked. Returns what ends it.
   */
  onSessionChange(listener: (session: SessionState) => void): () => void {
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
  accounts({ refresh = false, signal }: { refresh?: boolean; signal?: AbortSignal } = {}): Promise<Listing> {
    return this.#shared(`/me/instagram-accounts${refresh ? "?refresh=true" : ""}`, signal, (path) => this.#list(path, refresh));
  }

  /** The person's connections: one through Facebook at most, any number through Instagram. */
  async connections({ signal }: { signal?: AbortSignal } = {}): Promise<Connection[]> {
    return (await this.#shared<{ data: Connection[] }>("/me/connections", signal)).data;
  }

  /** The connection, checked at Meta now. */
  async verify(connectionId: string): Promise<Connection> {
    return (await this.#send("POST", `/me/connections/${encodeURIComponent(connectionId)}/verify`)).body as Connection;
  }

  /**
   * Ends a connection. The last one, and the one that signs the person in, end with everything
   * that is stored about them. `confirmed`: Meta has taken the access away already.
   */
  disconnect(connectionId: string): Promise<{ confirmed: boolean }> {
    return this.#end(`/me/connections/${encodeURIComponent(connectionId)}`);
  }

  /** Ends every connection and deletes everything that is stored about the person. */
  deleteEverything(): Promise<{ confirmed: boolean }> {
    return this.#end("/me");
  }

  /** Every browser that is logged in as this person. */
  async sessions({ signal }: { signal?: AbortSignal } = {}): Promise<Session[]> {
    return (await this.#shared<{ data: Session[] }>("/me/sessions", signal)).data;
  }

  async endSession(id: string): Promise<void> {
    await this.#send("DELETE", `/me/sessions/${encodeURIComponent(id)}`);
  }

  async endOtherSessions(): Promise<void> {
    await this.#send("DELETE", "/me/sessions");
  }

  /** A code for your own server, good for a minute, once: it learns who this is (`POST /v1/handoffs/redeem`). */
  async handoff(): Promise<HandoffCode> {
    return (await this.#send("POST", "/me/handoff")).body as HandoffCode;
  }

  /**
   * The link of a problem's, warning's or reason's action; null where there is nowhere to go.
   * igauth's own login links get `return_to`, so that the person comes back here.
   */
  actionUrl(action: Action | null | undefined, returnTo?: string): string | null {
    let url: URL;
    try {
      url = new URL(action?.url ?? "", action?.url ? this.base : undefined);
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

  #firstDoor(): Door {
    const urls = this.#state?.login_urls;
    return urls && !urls.facebook && urls.instagram ? "instagram" : "facebook";
  }

  #notice(session: SessionState): void {
    const who = session.user?.id ?? null;
    const changed = this.#who !== undefined && this.#who !== who;
    this.#who = who;
    this.#state = session;
    if (!changed) return;
    this.#forget();
    this.#channel?.postMessage(0);
    for (const listener of [...this.#listeners]) listener(session);
  }

  /** After something that we did: whoever is here now is news. */
  #changed(): Promise<SessionState> {
    this.#who = "";
    this.#forget();
    return this.session();
  }

  #forget(): void {
    this.#epoch += 1;
    this.#listing = null;
    this.#flights.clear();
  }

  #watchOver(): AbortController {
    const watch = new AbortController();
    const until = { signal: watch.signal };
    const look = () => void this.session().catch(() => {});
    if (!inBrowser) return watch;
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && look(), until);
    addEventListener("focus", look, until);
    addEventListener("pageshow", ({ persisted }) => persisted && look(), until);
    if (typeof BroadcastChannel !== "undefined") {
      const channel = (this.#channel = new BroadcastChannel(`igauth ${this.base}`));
      channel.onmessage = look;
      watch.signal.addEventListener("abort", () => channel.close());
    }
    return watch;
  }

  // --- the wire ---

  async #list(path: string, refresh: boolean): Promise<Listing> {
    const known = refresh ? null : this.#listing;
    const asked = this.#epoch;
    const { status, etag, body } = await this.#send("GET", path, known ? { "If-None-Match": known.etag } : {}, refresh ? 0 : this.#options.retries);
    if (known && status === 304) return known.body;
    if (asked === this.#epoch) this.#listing = etag ? { etag, body: body as Listing } : null;
    return body as Listing;
  }

  async #end(path: string): Promise<{ confirmed: boolean }> {
    const { status } = await this.#send("DELETE", path);
    await this.#changed();
    return { confirmed: status === 204 };
  }

  /** Equal questions that are asked at the same time are asked once. */
  #shared<T>(path: string, signal?: AbortSignal, ask?: (path: string) => Promise<T>): Promise<T> {
    let flight = this.#flights.get(path) as Promise<T> | undefined;
    if (!flight) {
      const own: Promise<T> = (ask ? ask(path) : this.#send("GET", path).then(({ body }) => body as T)).finally(() => {
        if (this.#flights.get(path) === own) this.#flights.delete(path);
      });
      this.#flights.set(path, (flight = own));
    }
    return signal ? orAborted(flight, signal) : flight;
  }

  async #send(method: string, path: string, headers: Record<string, string> = {}, retries = method === "GET" ? this.#options.retries : 0): Promise<Answer> {
    for (let tries = 0; ; tries++) {
      try {
        return await this.#ask(method, path, headers);
      } catch (error) {
        const { code, status, retryable, retryAfter } = error as IgauthError;
        if (status === 401 && this.#who) void this.#changed().catch(() => {});
        const wait = retryAfter ?? (0.4 + Math.random() * 0.4) * 2 ** tries;
        const hopeless = !retryable || code === "offline" || code === "timeout" || wait > LONGEST_WAIT_S;
        if (hopeless || tries >= retries) throw error;
        await pause(wait * 1000);
      }
    }
  }

  async #ask(method: string, path: string, headers: Record<string, string>): Promise<Answer> {
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(), this.#options.timeoutMs);
    let response: Response;
    let text: string;
    try {
      response = await fetch(this.base + path, {
        method,
        headers: { Accept: "application/json", ...headers },
        credentials: "include", // the session is a cookie
        signal: limit.signal,
      });
      text = await response.text(); // to its end, else browsers note the request as aborted
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
}

function parsed(text: string, status: number, needed: boolean): unknown {
  try {
    return text ? JSON.parse(text) : null;
  } catch (cause) {
    if (needed) throw unreadable(status, cause);
    return null;
  }
}

function orAborted<T>(flight: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(abortedBy(signal));
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
    flight.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}
