// From docs/openapi.json, by scripts/types.mjs: `npm run types`.

/** What a person can do about a problem. */
export type ActionKind = "login" | "reconnect" | "grant_permissions" | "link_page" | "wait" | "visit_facebook" | "visit_instagram" | "contact_operator";

/** What the person can do, and where. */
export interface Action {
  kind: ActionKind;
  url: string | null;
}

/** Nobody is. */
export interface Anonymous {
  authenticated: false;
  user: null;
  login_url: string;
  login_urls: Partial<Record<Provider, string>>;
}

/** Somebody is logged in. */
export interface Authenticated {
  authenticated: true;
  user: Person;
  login_url: string;
  login_urls: Partial<Record<Provider, string>>;
}

/** The code that the browser brought back, and the user of your own session. */
export interface CompleteIn {
  connect_code: string;
  /** Your own id of the user; compared byte for byte */
  external_id: string;
}

/** What a user connected, and the accounts that it reaches. */
export interface Completed {
  external_id: string;
  connection: LinkedConnection;
  data: InstagramAccount[];
  meta: ListingMeta;
}

/** What a connect session is to be. */
export interface ConnectSessionIn {
  /** Your own id of the user; compared byte for byte */
  external_id: string;
  return_to: string;
  provider?: "facebook" | "instagram" | null;
  prompt?: "select" | "reauthorize" | null;
  reconnect?: string | null;
  state?: string | null;
}

/** How far a connect session has come; `error`: why it failed. */
export interface ConnectSession {
  id: string;
  status: ConnectStatus;
  error: string | null;
  expires_at: string;
}

/** How far a connect session has come. */
export type ConnectStatus = "open" | "returned" | "completed" | "failed" | "expired";

/** Why a connection isn't `active`: `cause` on the wire. */
export type ConnectionCause = "token_ends_soon" | "data_access_ends_soon" | "token_expired" | "data_access_expired" | "password_changed" | "session_invalid" | "not_ours" | "token_unreadable" | "checkpoint" | "unconfirmed_user" | "app_access_missing" | "app_removed";

/** A person's connections. */
export interface ConnectionList {
  data: Connection[];
  meta: Meta;
}

/** A person's connection through one door; never its token. */
export interface Connection {
  id: string;
  provider: Provider;
  provider_user_id: string;
  name: string | null;
  status: ConnectionStatus;
  cause: ConnectionCause | null;
  granted_scopes: string[];
  declined_scopes: string[];
  missing_scopes: string[];
  token_expires_at: string | null;
  data_access_expires_at: string | null;
  connected_at: string;
  verified_at: string | null;
  last_consent: ConsentDiff | null;
  used_at: string | null;
  reconnect_url: string;
  manage_url: string;
}

/** The state of one of the connections that a listing comes by. */
export interface ConnectionRef {
  id: string;
  provider: Provider;
  status: ConnectionStatus;
  reconnect_url: string;
}

/** What a connection is good for. */
export type ConnectionStatus = "active" | "expiring" | "reconnect_required" | "checkpoint_required" | "revoked";

/** What the last consent changed, in Instagram account ids. */
export interface ConsentDiff {
  at: string;
  added: string[];
  kept: string[];
  lost: string[];
}

/** What Meta shows to the person. */
export interface DeletionAnswer {
  url: string;
  confirmation_code: string;
}

/** What became of a deletion request; nothing about whom. */
export interface DeletionStatus {
  confirmation_code: string;
  status: "deleted" | "nothing_stored" | "superseded";
  message: string;
  requested_at: string;
  completed_at: string | null;
}

/** What happened: see docs/events.md for each type's `data`. */
export interface Event {
  id: string;
  type: EventType;
  timestamp: string;
  data: Record<string, unknown>;
}

/** What happened to a grant: `type` of an event. */
export type EventType = "connection.created" | "connection.reconnected" | "connection.expiring" | "connection.reconnect_required" | "connection.checkpoint_required" | "connection.revoked" | "connection.recovered" | "connection.deleted" | "accounts.changed" | "connect_session.refused" | "webhook.test";

/** A page of events, oldest first. */
export interface Events {
  data: Event[];
  meta: EventsPage;
}

/** `after` of the next request; on an empty page the given one. */
export interface EventsPage {
  next: string | null;
}

/** A code by which the operator's server learns who this is; good once, for a minute. */
export interface HandoffCode {
  code: string;
  expires_at: string;
}

/** The person of a front end's session, and what they have connected. */
export interface Handoff {
  person: NamedPerson;
  connections: LinkedConnection[];
}

/** The process is up. */
export interface Health {
  status: "ok";
  version: string;
}

/** An Instagram professional account. Fields that Facebook didn't send are null. */
export interface InstagramAccount {
  id: string;
  username: string | null;
  name: string | null;
  biography: string | null;
  website: string | null;
  profile_picture_url: string | null;
  picture_url: string | null;
  followers_count: number | null;
  follows_count: number | null;
  media_count: number | null;
  pages: Page[];
  account_type: "business" | "creator" | null;
  can_publish: boolean | null;
  connection_ids: string[];
}

/** A connection, and your users who are linked to it. */
export interface LinkedConnection {
  id: string;
  provider: Provider;
  provider_user_id: string;
  name: string | null;
  status: ConnectionStatus;
  cause: ConnectionCause | null;
  granted_scopes: string[];
  declined_scopes: string[];
  missing_scopes: string[];
  token_expires_at: string | null;
  data_access_expires_at: string | null;
  connected_at: string;
  verified_at: string | null;
  last_consent: ConsentDiff | null;
  used_at: string | null;
  reconnect_url: string;
  manage_url: string;
  external_ids: string[];
}

/** A page of connections. */
export interface LinkedConnections {
  data: LinkedConnection[];
  meta: NextPage;
}

/** About a listing: how fresh, how whole, by which connections, and what isn't in it. */
export interface ListingMeta {
  fetched_at: string;
  stale: boolean;
  complete: boolean;
  connections: ConnectionRef[];
  not_listed: NotListed[];
  warnings: Warning[];
}

/** The Instagram accounts that the person let this application use. */
export interface Listing {
  data: InstagramAccount[];
  meta: ListingMeta;
}

/** What is said about a list; nothing, for most. */
export interface Meta {
}

/** Whom a hand-off named. */
export interface NamedPerson {
  id: string;
  name: string | null;
}

/** A connect session that was just made; its link is told this once. */
export interface NewConnectSession {
  id: string;
  url: string;
  status: ConnectStatus;
  expires_at: string;
}

/** Where the next page begins: `after` of the next request; null: this was the last. */
export interface NextPage {
  next: string | null;
}

/** A Page or account that the person might miss, why, and what to do. */
export interface NotListed {
  reason: NotListedReason;
  page: PageRef | null;
  instagram_account_id: string | null;
  message: string;
  action: Action | null;
}

/** Why a Page or an Instagram account isn't in a listing. */
export type NotListedReason = "page_without_instagram" | "page_not_granted" | "instagram_unreachable" | "page_unavailable" | "malformed";

/** A Page that leads to an Instagram account. */
export interface Page {
  id: string;
  name: string | null;
  tasks: string[] | null;
}

/** A Page that isn't listed. */
export interface PageRef {
  id: string;
  name: string | null;
}

/** The person of a session. */
export interface Person {
  id: string;
  name: string | null;
  picture_url: string | null;
  created_at: string;
  last_login_at: string;
}

/** A door: Facebook Login or Instagram Login. */
export type Provider = "facebook" | "instagram";

/** Database and keys answer. */
export interface Readiness {
  status: "ready";
}

/** A hand-off code, and the user to link, if any. */
export interface RedeemIn {
  code: string;
  external_id?: string | null;
}

/** What a service key may do, and until when. */
export interface ServiceKey {
  name: string;
  scopes: ServiceScope[];
  expires_at: string | null;
}

/** What a service key lets its holder do; none implies another. */
export type ServiceScope = "connect" | "read" | "tokens" | "manage" | "events";

/** The browsers that are logged in as this person. */
export interface SessionList {
  data: Session[];
  meta: Meta;
}

/** One browser that is logged in. */
export interface Session {
  id: string;
  created_at: string;
  last_seen_at: string;
  user_agent: string | null;
  current: boolean;
}

/** Whether this browser is logged in, and through which doors one can log in. */
export type SessionState = Authenticated | Anonymous;

/** Whose token, by which connection if that matters, and what for. */
export interface TokenIn {
  /** Your own id of the user; compared byte for byte */
  external_id: string;
  connection_id?: string | null;
  purpose?: string | null;
}

/** A token to act with now; the proof is good for five minutes (null at Instagram's door). */
export interface Token {
  access_token: string;
  token_type: "Bearer";
  provider: Provider;
  expires_at: string | null;
  scopes: string[];
  missing_scopes: string[];
  appsecret_proof: string | null;
  appsecret_time: number | null;
  proof_expires_at: string | null;
  graph_url: string;
  instagram_account_id: string;
  connection_id: string;
}

/** What keeps the listing from being whole. */
export interface Warning {
  code: WarningCode;
  permission: string | null;
  message: string;
  action: Action | null;
}

/** RFC 9457 problem details, with igauth's own members. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: ProblemCode;
  retryable: boolean;
  action: Action | null;
  request_id: string;
}

/** What went wrong; stable, to decide by. */
export type ProblemCode = "access_denied" | "state_missing" | "state_mismatch" | "state_expired" | "state_used" | "code_rejected" | "token_not_ours" | "account_switched" | "app_access_missing" | "not_professional" | "service_misconfigured" | "facebook_error" | "facebook_unavailable" | "facebook_timeout" | "facebook_rate_limited" | "permission_missing" | "reconnect_required" | "checkpoint_required" | "invalid_request" | "return_to_not_allowed" | "not_a_navigation" | "bad_signed_request" | "not_found" | "method_not_allowed" | "payload_too_large" | "cursor_expired" | "unsupported_media_type" | "rate_limited" | "csrf_failed" | "not_authenticated" | "metrics_token_required" | "service_key_invalid" | "key_in_url" | "scope_missing" | "not_for_browsers" | "wrong_user" | "connect_code_invalid" | "connect_session_expired" | "handoff_invalid" | "database_unavailable" | "overloaded" | "not_ready" | "server_error";

/** What keeps a listing from being whole. */
export type WarningCode = "permission_missing" | "reconnect_required" | "checkpoint_required" | "facebook_error" | "facebook_unavailable" | "facebook_timeout" | "facebook_rate_limited" | "service_misconfigured" | "app_access_missing" | "listing_truncated";
