//! Who is in a flag's audience: users are hashed into 10,000 buckets, and an audience of 5 % is the first
//! 500 of them. Who is in at 5 % is therefore in at 30 % too, and leaves again when the flag goes back.

/// Buckets that users are hashed into; one is 0.01 %.
const BUCKETS: u64 = 10_000;
/// Hashed with the user's name, so that every feature has canaries of its own.
const FEATURE: &str = "precise_merge";

/// A user of the demo's editor.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct User {
    pub(crate) name: String,
    bucket: u64,
}

impl User {
    /// The user with this number; the same number is always the same user in the same bucket.
    pub(crate) fn number(number: u64) -> Self {
        let name = format!("user-{number:04}");
        let bucket = xxhash_rust::xxh3::xxh3_64(format!("{FEATURE}/{name}").as_bytes()) % BUCKETS;
        Self { name, bucket }
    }

    /// Whether a flag with this audience serves the feature to the user.
    pub(crate) fn is_served_at(&self, audience_percent: f64) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "at most 10,000")]
        let position = self.bucket as f64;
        #[expect(clippy::cast_precision_loss, reason = "a constant of 10,000")]
        let served = audience_percent / 100.0 * BUCKETS as f64;
        position < served
    }
}

/// The first `count` users.
pub(crate) fn population(count: u64) -> Vec<User> {
    (1..=count).map(User::number).collect()
}

/// How many of them a flag serves.
pub(crate) fn served(users: &[User], audience_percent: f64) -> usize {
    users.iter().filter(|user| user.is_served_at(audience_percent)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_audience_holds_its_share_of_the_users() {
        let users = population(20_000);
        for (percent, expected) in [(0.0, 0.0), (5.0, 1_000.0), (30.0, 6_000.0), (100.0, 20_000.0)] {
            let served = f64::from(u32::try_from(served(&users, percent)).unwrap());
            assert!((served - expected).abs() <= 250.0, "{percent} % served {served} of 20000");
        }
    }

    #[test]
    fn who_is_in_the_smaller_audience_is_in_the_larger_one() {
        let users = population(5_000);
        assert!(users.iter().filter(|user| user.is_served_at(5.0)).all(|user| user.is_served_at(30.0)));
    }
}
