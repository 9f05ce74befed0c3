// Who is signed in, and what they may do. The token is exchanged for a cookie at once and kept nowhere.
import { call, get } from "./api.mjs";

/** @typedef {import("./api.mjs").Schemas["Session"]} Session */

/** @returns {Promise<Session>} */
export const whoAmI = () => get("/v1/session");

/** @param {string} token @returns {Promise<Session>} */
export const signIn = (token) => call("POST", "/v1/session", undefined, { authorization: `Bearer ${token.trim()}` });

export const signOut = () => call("DELETE", "/v1/session");

/** Who may make a call, as the API declares it; a test holds this to the document. */
export const may = /** @satisfies {Partial<Record<keyof import("reporter-api").operations, string[]>>} */ ({
  start_rollout: ["sre", "dev-lead", "release-ops"],
  promote_rollout: ["sre", "dev-lead", "release-ops"],
  roll_back: ["sre", "release-ops", "governance"],
  freeze_rollout: ["sre", "release-ops", "governance"],
  unfreeze_rollout: ["sre", "release-ops", "governance"],
  acknowledge_incident: ["sre", "dev-lead", "release-ops"],
  submit_rca: ["sre", "dev-lead", "release-ops", "governance"],
  retry_effect: ["sre", "release-ops"],
});

/** Whether somebody may act as one of these roles; without tokens everybody on the machine may. @param {Session} session @param {string[]} roles */
export const holds = (session, roles) => session.how === "local" || roles.some((role) => session.roles.includes(role));
