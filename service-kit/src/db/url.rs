//! Database URLs: which engine they mean, and what may stand in them. What is said of one never quotes a value: it may be a secret.

use sqlx::any::AnyConnectOptions;

/// What the driver understands behind the `?`; anything else it would pass over, a misspelt `sslmode` included.
const PARAMETERS: [&str; 19] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
    "options[…]",
];
const SSL_MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

/// What a URL names.
#[derive(Debug, Clone)]
pub(super) enum DatabaseUrl<'a> {
    Postgres(AnyConnectOptions),
    /// What follows `sqlite:`.
    Sqlite(&'a str),
}

impl<'a> DatabaseUrl<'a> {
    /// Reads a URL.
    ///
    /// # Errors
    /// What is wrong with it, without its values.
    pub(super) fn parse(url: &'a str) -> Result<Self, String> {
        if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            postgres(url).map(Self::Postgres)
        } else if let Some(path) = url.strip_prefix("sqlite:") {
            match path.split_once('?') {
                None => Ok(Self::Sqlite(path)),
                Some((_, parameters)) => {
                    let name = parameters.split(['=', '&']).next().unwrap_or_default();
                    Err(format!("unknown parameter `{name}`: sqlite: takes none"))
                }
            }
        } else {
            Err("expected a URL that starts with postgres:// or sqlite:".to_owned())
        }
    }
}

fn postgres(url: &str) -> Result<AnyConnectOptions, String> {
    if names_several_hosts(url) {
        return Err("it names several hosts: give the one name that leads to the primary; it is looked up again for every \
                    connection, so one that moves is followed"
            .to_owned());
    }
    let options: AnyConnectOptions = url
        .parse()
        .map_err(|_| "it cannot be parsed (is a character of the password not percent-encoded?)")?;
    for (name, value) in options.database_url.query_pairs() {
        let known = PARAMETERS.contains(&&*name) || (name.starts_with("options[") && name.ends_with(']'));
        if !known {
            return Err(unknown(&name));
        }
        let mode = matches!(&*name, "sslmode" | "ssl-mode");
        if mode && !SSL_MODES.contains(&&*value.to_ascii_lowercase()) {
            return Err(format!("`{name}`: expected {}", SSL_MODES.join(" or ")));
        }
    }
    Ok(options)
}

/// libpq tries several in turn; the driver would take them for one name.
fn names_several_hosts(url: &str) -> bool {
    let (place, parameters) = url.split_once('?').unwrap_or((url, ""));
    let authority =
        place.split_once("://").map_or("", |(_, rest)| rest).split('/').next().unwrap_or_default();
    let hosts = authority.rsplit('@').next().unwrap_or_default();
    let parameters = parameters.split('&').filter_map(|it| it.split_once('='));
    let several = |text: &str| text.contains(',') || text.to_ascii_lowercase().contains("%2c");
    several(hosts)
        || parameters
            .into_iter()
            .any(|(name, value)| matches!(name, "host" | "hostaddr" | "port") && several(value))
}

fn unknown(name: &str) -> String {
    let plain = |name: &str| name.replace(['-', '_'], "").to_ascii_lowercase();
    match PARAMETERS.iter().find(|known| plain(known) == plain(name)) {
        Some(meant) => format!("unknown parameter `{name}`: is `{meant}` meant?"),
        None => format!("unknown parameter `{name}`"),
    }
}

/// Whether a text can be used as a database URL.
///
/// # Errors
/// What is wrong with it, without its values.
pub fn check_url(url: &str) -> Result<(), String> {
    DatabaseUrl::parse(url).map(drop)
}

/// Host, port and database of a URL; never its user, password or parameters.
pub(super) fn place_of(options: &AnyConnectOptions) -> String {
    let url = &options.database_url;
    let host = url.host_str().unwrap_or("localhost");
    format!("postgres://{host}:{}{}", port_of(options), url.path())
}

/// The server's.
pub(super) fn port_of(options: &AnyConnectOptions) -> u16 {
    options.database_url.port().unwrap_or(5432)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A slip in `sslmode` connected unverified, and the value of what was not understood stood in the log.
    #[test]
    fn a_parameter_that_would_be_passed_over_is_refused_by_its_name() {
        let refused = |url: &str| check_url(url).unwrap_err();
        let slip = refused("postgres://u:hunter2@db/p?ssl_mode=verify-full");
        assert_eq!(slip, "unknown parameter `ssl_mode`: is `sslmode` meant?");
        assert_eq!(refused("postgres://db/p?sslpassword=hunter2"), "unknown parameter `sslpassword`");
        assert_eq!(refused("postgres://db/p?a=1&password=hunter2"), "unknown parameter `a`");
        assert_eq!(refused("sqlite:/x.db?mode=ro"), "unknown parameter `mode`: sqlite: takes none");
        let mode = refused("postgres://db/p?sslmode=hunter2");
        assert!(mode.starts_with("`sslmode`: expected disable or") && !mode.contains("hunter2"), "{mode}");
    }

    /// OP-2: a primary that moves is followed by its name, not by a list.
    #[test]
    fn several_hosts_are_refused_with_what_to_give_in_their_place() {
        for url in [
            "postgres://u:p@a:5432,b:5432/p",
            "postgres://a,b/p?sslmode=require",
            "postgresql:///p?host=a,b",
            "postgresql:///p?host=a%2Cb",
        ] {
            let refused = check_url(url).unwrap_err();
            assert!(
                refused.starts_with("it names several hosts: give the one name that leads to the primary"),
                "{refused}"
            );
        }
        let told = check_url("postgres://db/p?target_session_attrs=read-write").unwrap_err();
        assert_eq!(told, "unknown parameter `target_session_attrs`");
        assert_eq!(check_url("postgres://u:a,b@db/p"), Ok(()), "a comma of a password is none of a list");
    }

    #[test]
    fn what_the_driver_knows_is_let_through() {
        for url in [
            "postgres://u:p@db:6000/p?sslmode=verify-full&sslrootcert=/ca.pem&application_name=x",
            "postgresql:///p?host=/var/run/postgresql&user=u&options=-c%20geqo%3Doff&options[geqo]=off",
            "sqlite:///var/lib/x.sqlite",
            "sqlite::memory:",
        ] {
            assert_eq!(check_url(url), Ok(()), "{url}");
        }
    }
}
