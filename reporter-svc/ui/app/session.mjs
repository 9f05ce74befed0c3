// Who is signed in, and what they may do. The token is exchanged for a cookie at once and kept nowhere.
import { call, get } from "./api.mjs";

/** @typedef {import("./api.mjs").Schemas["Session"]} Session */

/** @returns {Promise<Session>} */
export const whoAmI = () => get("/v1/session");

/** @param {string} token @returns {Promise<Session>} */
export const signIn = (token) => call("POST", "/v1/session", undefined, { authorization: `Bearer ${token.trim()}` });

export const signOut = () => call("DELETE", "/v1/session");

/** Whether somebody may act as one of these roles; without tokens everybody on the machine may. @param {Session} session @param {string[]} roles */
export const holds = (session, roles) => session.how === "local" || roles.some((role) => session.roles.includes(role));
