//! Looks at the files of the rules: what they hold once two looks have found the same, and no read where nobody touched them.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use domain::policy::Policy;
use shared_types::Timestamp;

use super::stamps::Stamps;
use super::{Rules, RulesFiles, RulesId};
use crate::causes::in_full;
use crate::clock::Clock;

/// The longest that files are believed to be what their stamps say: a file system may say less than others.
const READ_AGAIN: Duration = Duration::from_secs(60);

/// What the files held at one look, or why it cannot be used.
pub(super) type Found = Result<Arc<Rules>, String>;

/// See the module.
pub(super) struct Looks {
    files: RulesFiles,
    clock: Arc<dyn Clock>,
    /// The policy that was read last, so that it is parsed once.
    parsed: Arc<Policy>,
    last: Option<Look>,
}

/// The read before.
struct Look {
    found: Found,
    stamps: Option<Stamps>,
    /// None until a second read has found the same.
    believed_since: Option<Timestamp>,
}

impl Looks {
    pub(super) fn new(files: RulesFiles, clock: &Arc<dyn Clock>, parsed: &Arc<Policy>) -> Self {
        Self { files, clock: Arc::clone(clock), parsed: Arc::clone(parsed), last: None }
    }

    /// The first look, at a policy that was read already: it is believed at once.
    pub(super) fn first(&mut self, policy: &Arc<Policy>) -> Found {
        self.parsed = Arc::clone(policy);
        let found = self.files.rules_of(policy).map(Arc::new).map_err(|error| in_full(&error));
        self.last = Some(Look { found: found.clone(), stamps: None, believed_since: None });
        found
    }

    /// What the files hold; none until two looks have found the same.
    pub(super) async fn look(&mut self) -> Option<Found> {
        if let Some(found) = self.untouched().await {
            return Some(found);
        }
        let (files, known) = (self.files.clone(), Arc::clone(&self.parsed));
        let read = tokio::task::spawn_blocking(move || files.read(&known)).await;
        let (found, stamps): (Found, _) = match read {
            Ok(read) => (read.rules.map(Arc::new).map_err(|error| in_full(&error)), read.stamps),
            Err(error) => (Err(error.to_string()), None),
        };
        if let Ok(rules) = &found {
            self.parsed = Arc::clone(&rules.policy);
        }
        let before = self.last.as_ref();
        let agreed = before.is_some_and(|it| key(&it.found) == key(&found));
        // A file that changed between its read and its stamp shows in one of two reads: by another stamp, or by other content.
        let untouched = stamps.is_some() && before.is_some_and(|it| it.stamps == stamps);
        let believed_since = (agreed && untouched).then(|| self.clock.now());
        self.last = Some(Look { found: found.clone(), stamps, believed_since });
        agreed.then_some(found)
    }

    /// What the read before found, where it need not be made again.
    async fn untouched(&self) -> Option<Found> {
        let look = self.last.as_ref()?;
        let age = self.clock.now().as_millis() - look.believed_since?.as_millis();
        // A clock that was set back says nothing of the age.
        u128::try_from(age).ok().filter(|age| *age < READ_AGAIN.as_millis())?;
        let stamps = look.stamps.clone().filter(|it| it.are_settled(SystemTime::now()))?;
        let same = tokio::task::spawn_blocking(move || stamps.again() == stamps).await;
        same.ok()?.then(|| look.found.clone())
    }
}

fn key(found: &Found) -> Result<RulesId, &str> {
    found.as_ref().map(|rules| rules.id()).map_err(String::as_str)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::path::Path;

    use super::*;
    use crate::clock::ManualClock;

    /// A policy with a file of targets, written long ago.
    fn policy(folder: &Path) -> RulesFiles {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/policies/many-targets");
        fs::create_dir(folder.join("teams")).unwrap();
        for file in ["policy.yaml", "teams/checkout.yaml"] {
            fs::copy(example.join(file), folder.join(file)).unwrap();
        }
        long_ago(folder);
        RulesFiles::policy(&folder.join("policy.yaml"))
    }

    fn long_ago(folder: &Path) {
        for path in ["policy.yaml", "teams/checkout.yaml", "teams"] {
            let open = File::open(folder.join(path)).unwrap();
            open.set_modified(SystemTime::now() - Duration::from_secs(3600)).unwrap();
        }
    }

    /// PO-2: a look costs what there are files, not what there are targets, and still sees each change.
    #[tokio::test]
    async fn files_that_nobody_touched_are_read_again_once_a_minute_only() {
        let folder = tempfile::tempdir().unwrap();
        let files = policy(folder.path());
        let manual = Arc::new(ManualClock::at(Timestamp::parse("2026-11-22T10:07:00Z").unwrap()));
        let clock: Arc<dyn Clock> = Arc::clone(&manual) as _;
        let read = Arc::new(Policy::load(&folder.path().join("policy.yaml")).unwrap());
        let mut looks = Looks::new(files, &clock, &read);
        looks.first(&read).unwrap();
        let found = async |looks: &mut Looks| looks.look().await.unwrap().unwrap();
        let (first, second, third) =
            (found(&mut looks).await, found(&mut looks).await, found(&mut looks).await);
        assert!(!Arc::ptr_eq(&first, &second), "two reads have to find the same");
        assert!(Arc::ptr_eq(&second, &third), "and the third is not made");
        assert!(Arc::ptr_eq(&second.policy, &read), "the policy is parsed once");
        manual.advance(READ_AGAIN);
        assert!(!Arc::ptr_eq(&third, &found(&mut looks).await));

        let team = folder.path().join("teams/checkout.yaml");
        let changed = fs::read_to_string(&team).unwrap().replace("Saved cards", "Saved Cards");
        found(&mut looks).await;
        fs::write(&team, changed).unwrap();
        long_ago(folder.path());
        assert!(looks.look().await.is_none(), "of the same size and time, and yet another");
        assert_ne!(found(&mut looks).await.policy.version, read.version);
        fs::write(
            folder.path().join("teams/more.yaml"),
            "targets: { more: { template: usual, title: More } }\n",
        )
        .unwrap();
        assert!(looks.look().await.is_none());
        assert_eq!(found(&mut looks).await.policy.targets.len(), 3);
        fs::remove_file(&team).unwrap();
        fs::remove_file(folder.path().join("teams/more.yaml")).unwrap();
        assert!(looks.look().await.is_none());
        let refused = looks.look().await.unwrap().unwrap_err();
        assert!(refused.contains("no file is there for `teams/*.yaml`"), "{refused}");
    }
}
