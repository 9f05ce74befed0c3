// The roles of which any one suffices for a call, made from openapi/reporter.json: PHASEGATE_UPDATE=1 cargo test -p phasegate-tests --test openapi
export const may = {
  abort_rollout: ["sre","release-ops","governance"],
  acknowledge_incident: ["sre","dev-lead","release-ops"],
  confirm_rca: ["sre","dev-lead","release-ops","governance"],
  decide_review: ["sre","dev-lead","release-ops","governance"],
  freeze_rollout: ["sre","release-ops","governance"],
  promote_rollout: ["sre","dev-lead","release-ops"],
  read_served: ["sre","release-ops","governance"],
  retry_effect: ["sre","release-ops"],
  roll_back: ["sre","release-ops","governance"],
  sign_evidence: ["sre","dev-lead","release-ops","governance"],
  start_rollout: ["sre","dev-lead","release-ops"],
  submit_rca: ["sre","dev-lead","release-ops","governance"],
  test_channels: ["sre","release-ops"],
  unfreeze_rollout: ["sre","release-ops","governance"],
};
