//! Does the reporter's effects and settles what came of them: a file an effect, named like the one that says what it is
//! (`domain/src/effects/payload`). What changes a machine is applied in the transaction that records the outcome.

mod apply_page_event;
mod check_page_acknowledged;
mod context;
mod page_notice;
mod post_message;
mod push_directive;
mod resolve_page;
pub(crate) mod run_transition;
mod set_page_priority;
mod tell_user;
mod trigger_page;
mod write_checklist;
mod write_daily_report;
pub mod write_rca;
mod write_runbook_entry;

use domain::effects::{
    ApplyPageEvent, CheckPageAcknowledged, PageNotice, PostMessage, PushDirective, ResolvePage,
    RunTransition, SetPagePriority, TellUser, TriggerPage, WriteChecklist, WriteDailyReport, WriteRca,
    WriteRunbookEntry,
};
use service_kit::outbox::{EffectKind, Registry, Room};

pub use context::{Effects, LongestMove};

impl Registry for Effects {
    const EFFECTS: &'static [EffectKind<Self>] = &[
        EffectKind::of::<PostMessage>(),
        EffectKind::of::<TellUser>(),
        EffectKind::of::<TriggerPage>(),
        EffectKind::of::<PageNotice>(),
        EffectKind::of::<SetPagePriority>(),
        EffectKind::of::<ResolvePage>(),
        EffectKind::of::<CheckPageAcknowledged>(),
        EffectKind::of::<ApplyPageEvent>(),
        EffectKind::of::<RunTransition>(),
        EffectKind::of::<PushDirective>(),
        EffectKind::of::<WriteRunbookEntry>(),
        EffectKind::of::<WriteRca>(),
        EffectKind::of::<WriteChecklist>(),
        EffectKind::of::<WriteDailyReport>(),
    ];

    fn room_of(receiver: &str) -> Room {
        if receiver == RunTransition::RECEIVER { Room::FIRST } else { Room::USUAL }
    }
}
