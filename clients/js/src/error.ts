import type { Action, Problem } from "./api.js";

/** Codes of this package, for where igauth itself said nothing. */
export type OwnCode = "network" | "offline" | "timeout" | "unreadable" | "popup_blocked" | "popup_closed";

/** Every code that an IgauthError can carry: decide by it, never by a text. */
export type Code = Problem["code"] | OwnCode;

interface Facts {
  code: Code;
  title: string;
  status?: number;
  detail?: string | undefined;
  retryable?: boolean;
  retryAfter?: number | null;
  action?: Action | null;
  requestId?: string | null;
}

/** An answer that isn't a success (RFC 9457), a login that failed, or no answer at all. */
export class IgauthError extends Error {
  readonly code: Code;
  /** HTTP status; 0 where there was no answer. */
  readonly status: number;
  /** A few words for people. */
  readonly title: string;
  /** A sentence for people; may be empty. */
  readonly detail: string;
  /** Whether the same again may work later. */
  readonly retryable: boolean;
  /** Seconds to wait before that, where the service named them. */
  readonly retryAfter: number | null;
  /** What the person can do; its link is `igauth.actionUrl(error.action)`. */
  readonly action: Action | null;
  /** What the operator finds in the log. */
  readonly requestId: string | null;

  constructor(facts: Facts, options?: { cause?: unknown }) {
    super(facts.detail || facts.title, options as ErrorOptions);
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
}

/** A problem, or what something in between (a proxy) answered in its place. */
export function refused(response: Response, body: unknown): IgauthError {
  const problem = (body && typeof body === "object" ? body : {}) as Partial<Problem>;
  return new IgauthError({
    code: problem.code ?? "unreadable",
    status: response.status,
    title: problem.title ?? `The service answered ${response.status}`,
    detail: problem.detail,
    retryable: problem.retryable ?? response.status >= 500,
    retryAfter: parseInt(response.headers.get("Retry-After") ?? "", 10) || null,
    action: problem.action ?? null,
    requestId: problem.request_id ?? response.headers.get("X-Request-ID"),
  });
}

/** A success whose body isn't JSON. */
export function unreadable(status: number, cause: unknown): IgauthError {
  return new IgauthError({ code: "unreadable", status, title: "Unreadable answer", retryable: true }, { cause });
}

/** No answer: too slow, offline, or not reachable (a foreign origin looks the same to a page). */
export function unanswered(cause: unknown, late: boolean): IgauthError {
  const [code, title]: [OwnCode, string] = late ? ["timeout", "No answer in time"]
    : navigator.onLine === false ? ["offline", "You are offline"]
    : ["network", "The service can't be reached"];
  return new IgauthError({ code, title, retryable: true }, { cause });
}

/** A login that ended with this code, in the address or in a popup's message. */
export function loginFailed(code: unknown, requestId: unknown): IgauthError {
  const word = (text: unknown) => (/^[\w.-]{1,64}$/.test(String(text)) ? String(text) : null);
  const known = (word(code) ?? "server_error") as Code;
  return new IgauthError({
    code: known,
    title: "The login failed",
    retryable: /unavailable|limited|timeout|overloaded|server_error/.test(known),
    requestId: requestId ? word(requestId) : null,
  });
}
