// What a target's card says in one line, what the guard does next, and how urgent that is. Pure, so that the list and
// the target's own view never differ.
import { ago, clockTime } from "./format.mjs";
import { t } from "./i18n.mjs";
import { phaseName } from "./parts.mjs";
import { actionText, standingText } from "./story.mjs";

/** @typedef {import("./api.mjs").Schemas["DashboardTarget"]} Target */
/** @typedef {import("./api.mjs").Schemas["Standing"]["severity"]} Group */

/** Blockers that time alone removes. */
const TIME = new Set(["gate_unsatisfied", "gate_stale", "not_started", "completed", "transition_running"]);

/** Whether a verdict should have come by now. @param {Target} it @param {number} now */
export function isSilent(it, now) {
  const gated = it.state !== "off" && it.state !== "completed";
  return gated && it.expected_by != null && Date.parse(it.expected_by) < now;
}

/** What people have to do now; an approval is asked for once the rest is there. @param {Target} it */
export const asked = (it) => it.blockers.filter(({ code }) => !TIME.has(code) && (code !== "approval_missing" || it.gate?.satisfied === true));

/** How it stands now, as the API says; once its verdict is overdue, as the API says of that. @param {Target} it @param {number} now */
export const standing = (it, now) => (isSilent(it, now) ? it.if_silent : null) ?? it.standing ?? null;

/** A target that left the policy has no standing. @param {Target} it @param {number} now @returns {Group} */
export const group = (it, now) => standing(it, now)?.severity ?? "idle";

/** @type {Group[]} The most urgent first. */
export const groups = ["critical", "warning", "asked", "ok", "idle"];

/** The verdict to show: silence is one of its own. @param {Target} it @param {number} now */
export function shownVerdict(it, now) {
  if (it.state === "off" || it.state === "completed") return "idle";
  return isSilent(it, now) ? "silent" : (it.verdict ?? "none");
}

/** @param {Target} it @param {number} now */
export function headline(it, now) {
  const stands = standing(it, now);
  return stands === null ? phaseName(it.phase) : standingText(stands);
}

/** What to do about it, and whose it is; empty: nothing. @param {Target} it @param {number} now */
export function action(it, now) {
  const stands = standing(it, now);
  return stands === null ? "" : actionText(stands);
}

/** What the guard does next, if nobody does anything. @param {Target} it @param {number} now */
export function next(it, now) {
  const move = it.transition;
  if (move != null && (move.state === "requested" || move.state === "running")) {
    const up = it.phases.findIndex((phase) => phase.id === move.to) > it.phases.findIndex((phase) => phase.id === move.from) || move.to === "completed";
    return t(up ? "next.promote" : "next.rollback", { from: phaseName(move.from), to: phaseName(move.to) });
  }
  if (it.incident != null) return it.watch_until == null ? t("next.incident") : t("next.watch", { until: clockTime(it.watch_until) });
  if (it.expected_by == null || it.frozen != null || isSilent(it, now)) return t("next.none");
  const at = it.phases.findIndex((phase) => phase.id === it.phase);
  const prev = phaseName(it.phases[at - 1]?.id ?? "off");
  return t("next.judge", { by: clockTime(it.expected_by), in: ago(it.expected_by, now), prev });
}
