//! Everything the reporter does to the outside world, a file an effect. How it is done is the other half, which has a file of
//! the same name: `reporter-svc/src/effects`.

mod apply_page_event;
mod check_page_acknowledged;
mod page_notice;
mod post_message;
mod push_directive;
mod resolve_page;
mod run_transition;
mod set_page_priority;
mod tell_user;
mod trigger_page;
mod write_checklist;
mod write_daily_report;
mod write_rca;
mod write_runbook_entry;

pub use apply_page_event::{ApplyPageEvent, PageAct};
pub use check_page_acknowledged::{CheckPageAcknowledged, PageAcknowledgement};
pub use page_notice::PageNotice;
pub use post_message::PostMessage;
pub use push_directive::PushDirective;
pub use resolve_page::ResolvePage;
pub use run_transition::RunTransition;
pub use set_page_priority::SetPagePriority;
pub use tell_user::TellUser;
pub use trigger_page::{Severity, TriggerPage};
pub use write_checklist::WriteChecklist;
pub use write_daily_report::WriteDailyReport;
pub use write_rca::WriteRca;
pub use write_runbook_entry::WriteRunbookEntry;
