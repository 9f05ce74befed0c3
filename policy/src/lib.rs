//! What people write for Phasegate to go by: the policy, its placeholders, the texts of messages. Pure but for the
//! functions that read the files.

mod load;
pub mod placeholder;
pub mod policy;
pub mod stored;
pub mod template;
