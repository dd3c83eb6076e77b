export type * from "./api.js";
export { Igauth, type Door, type LoginOptions, type Options } from "./client.js";
export { IgauthError, type Code, type OwnCode } from "./error.js";
