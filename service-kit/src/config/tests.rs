//! Configuration: the order of its sources, the one clear line for a bad value, and no secret ever shown.

use std::collections::HashMap;
use std::ffi::OsString;

use clap::Args as _;
use domain::kinds::Kinds;
use secrecy::{ExposeSecret as _, SecretString};

use super::*;
use crate::ServiceName;

#[derive(Debug, clap::Args)]
struct OwnArgs {
    /// Bot token
    #[arg(long, env = "SLACK_BOT_TOKEN")]
    slack_bot_token: Option<SecretString>,
    #[arg(long, env = "RETRIES", default_value_t = 4)]
    retries: u32,
    #[arg(long, env = "DRY")]
    dry: bool,
}

struct Case {
    arguments: Vec<&'static str>,
    environment: HashMap<&'static str, &'static str>,
    file: Option<&'static str>,
}

fn case() -> Case {
    Case { arguments: vec![], environment: HashMap::new(), file: None }
}

impl Case {
    fn flag(mut self, flag: &'static str) -> Self {
        self.arguments.push(flag);
        self
    }

    fn variable(mut self, name: &'static str, value: &'static str) -> Self {
        self.environment.insert(name, value);
        self
    }

    fn file(self, text: &'static str) -> Self {
        Self { file: Some(text), ..self }
    }

    /// The directory's name stands as `DIR` in errors.
    fn load(self) -> Result<Loaded, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("phasegate.toml");
        let mut arguments: Vec<OsString> = vec!["reporter-svc".into()];
        if let Some(text) = self.file {
            std::fs::write(&path, text).unwrap();
            arguments.extend(["--config".into(), path.clone().into()]);
        }
        arguments.extend(self.arguments.iter().map(OsString::from));
        let environment = |name: &str| self.environment.get(name).map(OsString::from);
        let main = crate::Main {
            service: ServiceName::Reporter,
            about: "Reports",
            kinds: &Kinds::shipped(),
            migrations: &[],
            arguments: &OwnArgs::augment_args,
        };
        let loaded = crate::main_of::load(&main, &arguments, &environment);
        let hide = |text: String| text.replace(directory.path().to_str().unwrap(), "DIR");
        loaded.map_err(|error| hide(error.to_string()))
    }

    fn listen(self) -> String {
        self.load().unwrap().get::<ListenArg>().unwrap().listen.to_string()
    }

    fn error(self) -> String {
        let error = self.load().unwrap_err();
        assert_eq!(error.lines().count(), 1, "one line: {error}");
        error
    }
}

#[test]
fn flags_come_before_environment_before_file_before_default() {
    let file = "[reporter]\nlisten = \"127.0.0.1:1\"\n";
    assert_eq!(case().listen(), "127.0.0.1:7103");
    assert_eq!(case().file(file).listen(), "127.0.0.1:1");
    let case_2 = || case().file(file).variable("PHASEGATE_REPORTER_LISTEN", "127.0.0.1:2");
    assert_eq!(case_2().listen(), "127.0.0.1:2");
    assert_eq!(case_2().flag("--listen=127.0.0.1:3").listen(), "127.0.0.1:3");
    assert_eq!(case_2().flag("--listen").flag("localhost:4").listen(), "127.0.0.1:4");
}

#[test]
fn an_empty_variable_is_not_set() {
    let loaded = case().variable("PHASEGATE_TOKENS", "").variable("RETRIES", "").load().unwrap();
    assert_eq!(loaded.get::<SharedArgs>().unwrap().tokens, None);
    assert_eq!(loaded.get::<OwnArgs>().unwrap().retries, 4);
}

#[test]
fn every_variable_of_the_contract_is_read() {
    let loaded = case()
        .variable("PHASEGATE_DATABASE_URL", "postgres://u:p@db/phasegate")
        .variable("PHASEGATE_DATA_DIR", "/data")
        .variable("PHASEGATE_POLICY", "/policy.yaml")
        .variable("PHASEGATE_REPORTER_LISTEN", "0.0.0.0:9")
        .variable("PHASEGATE_COLLECTOR_URL", "http://c:1")
        .variable("PHASEGATE_ANALYZER_URL", "http://a:2")
        .variable("PHASEGATE_REPORTER_URL", "https://r:3")
        .variable("PHASEGATE_TOKENS", "/tokens")
        .variable("PHASEGATE_SERVICE_TOKEN", "t0ken")
        .variable("PHASEGATE_LOG", "json")
        .variable("RUST_LOG", "service_kit=debug,info")
        .variable("OTEL_EXPORTER_OTLP_ENDPOINT", "http://otel:4318")
        .variable("SLACK_BOT_TOKEN", "xoxb-1")
        .variable("DRY", "true")
        .load()
        .unwrap();
    let shared: SharedArgs = loaded.get().unwrap();
    assert_eq!(shared.database_url.unwrap().expose_secret(), "postgres://u:p@db/phasegate");
    assert_eq!(shared.data_dir.to_str(), Some("/data"));
    assert_eq!(shared.policy.to_str(), Some("/policy.yaml"));
    assert_eq!(loaded.get::<ListenArg>().unwrap().listen.to_string(), "0.0.0.0:9");
    assert_eq!(shared.collector_url.as_str(), "http://c:1/");
    assert_eq!(shared.analyzer_url.as_str(), "http://a:2/");
    assert_eq!(shared.reporter_url.as_str(), "https://r:3/");
    assert_eq!(shared.tokens.unwrap().to_str(), Some("/tokens"));
    assert_eq!(shared.service_token.unwrap().expose_secret(), "t0ken");
    assert_eq!(shared.log, Some(crate::telemetry::LogFormat::Json));
    assert_eq!(shared.log_filter.to_string(), "service_kit=debug,info");
    assert_eq!(shared.otlp_endpoint.unwrap().as_str(), "http://otel:4318/");
    let own: OwnArgs = loaded.get().unwrap();
    assert_eq!(own.slack_bot_token.unwrap().expose_secret(), "xoxb-1");
    assert!(own.dry);
}

#[test]
fn sections_of_other_services_are_passed_over() {
    let loaded = case()
        .file("data_dir = \"/d\"\n[collector]\nanything = 1\n[reporter]\nretries = 7\ndry = true\n")
        .load()
        .unwrap();
    assert_eq!(loaded.get::<SharedArgs>().unwrap().data_dir.to_str(), Some("/d"));
    assert_eq!(loaded.get::<OwnArgs>().unwrap().retries, 7);
}

#[test]
fn a_bad_value_is_one_line_that_names_its_place() {
    let check = |case: Case, expected: &str| assert_eq!(case.error(), expected);
    let address = "expected <IP address>:<port>, e.g. 127.0.0.1:7101 or [::1]:7101";
    check(case().flag("--listen=here"), &format!("--listen: invalid value `here`: {address}"));
    check(
        case().variable("PHASEGATE_REPORTER_LISTEN", "7101"),
        &format!("PHASEGATE_REPORTER_LISTEN: invalid value `7101`: {address}"),
    );
    check(
        case().file("\n[reporter]\nlisten = 7101"),
        &format!("DIR/phasegate.toml:3: listen: invalid value `7101`: {address}"),
    );
    check(
        case().variable("PHASEGATE_LOG", "xml"),
        "PHASEGATE_LOG: invalid value `xml`: expected json or pretty",
    );
    check(
        case().variable("PHASEGATE_ANALYZER_URL", "ftp://x"),
        "PHASEGATE_ANALYZER_URL: invalid value `ftp://x`: expected a URL that starts with http:// or https://",
    );
    check(case().variable("RETRIES", "-1"), "RETRIES: invalid value `-1`: -1 is not in 0..=4294967295");
    check(case().flag("--no-such"), "unexpected argument '--no-such' found");
}

#[test]
fn a_bad_file_is_one_line_that_names_line_and_key() {
    let check = |text: &'static str, expected: &str| assert_eq!(case().file(text).error(), expected);
    check("data_dir = \"a\"\nlisten_on = 1", "DIR/phasegate.toml:2: unknown key `listen_on`");
    check("[reporter]\nslack = 1", "DIR/phasegate.toml:2: unknown key `reporter.slack`");
    check("[reporters]\nlisten = 1", "DIR/phasegate.toml:1: unknown key `reporters`");
    check("data_dir = [1]", "DIR/phasegate.toml:1: data_dir: expected a text, a number or true/false");
    check("[reporter]\ndry = \"maybe\"", "DIR/phasegate.toml:2: dry: expected true or false");
    assert!(case().file("data_dir = ").error().starts_with("DIR/phasegate.toml:1: "));
    let missing = case().variable("PHASEGATE_CONFIG", "/no/such.toml").error();
    assert!(missing.starts_with("/no/such.toml: cannot be read"), "{missing}");
}

fn with_secrets() -> Case {
    case()
        .variable("PHASEGATE_DATABASE_URL", "postgres://u:hunter2@db/phasegate")
        .variable("PHASEGATE_SERVICE_TOKEN", "hunter2-service")
        .variable("PHASEGATE_ANALYZER_URL", "http://user:hunter2@a:2")
        .variable("SLACK_BOT_TOKEN", "hunter2-slack")
        .flag("--data-dir=/data")
}

#[test]
fn print_config_shows_values_with_their_sources_and_no_secret() {
    let text = with_secrets().load().unwrap().print();
    assert!(!text.contains("hunter2"), "{text}");
    insta::assert_snapshot!(text, @r#"
    database_url = "<redacted>" # PHASEGATE_DATABASE_URL
    # database_schema is not set
    # database_connections is not set
    database_wait = "60" # default
    # http_connections is not set
    # http_streams is not set
    # http_streams_per_caller is not set
    # http_client_timeout is not set
    data_dir = "/data" # flag
    policy = "governance/policy.yaml" # default
    collector_url = "http://127.0.0.1:7101" # default
    analyzer_url = "http://user:redacted@a:2/" # PHASEGATE_ANALYZER_URL
    reporter_url = "http://127.0.0.1:7103" # default
    # tokens is not set
    service_token = "<redacted>" # PHASEGATE_SERVICE_TOKEN
    # oidc_issuer is not set
    # oidc_audience is not set
    # oidc_jwks_url is not set
    # oidc_role_claim is not set
    # oidc_role_map is not set
    # oidc_name_claim is not set
    # log is not set
    log_filter = "info" # default
    # otlp_endpoint is not set
    slack_bot_token = "<redacted>" # SLACK_BOT_TOKEN
    retries = "4" # default
    dry = "false" # default
    listen = "127.0.0.1:7103" # default
    "#);
    let as_toml: toml::Table = toml::from_str(&text).unwrap();
    assert_eq!(as_toml["data_dir"].as_str(), Some("/data"));
}

#[test]
fn debug_and_errors_and_help_show_no_secret() {
    let loaded = with_secrets().load().unwrap();
    let shared: SharedArgs = loaded.get().unwrap();
    let secrets = format!("{:?} {:?}", shared.database_url, shared.service_token);
    assert!(!secrets.contains("hunter2"), "{secrets}");
    assert!(!format!("{:?}", loaded.get::<OwnArgs>().unwrap()).contains("hunter2"));

    let error = case().variable("PHASEGATE_DATABASE_URL", "mysql://u:hunter2@db").error();
    assert_eq!(
        error,
        "PHASEGATE_DATABASE_URL: invalid value: expected a URL that starts with postgres:// or sqlite:"
    );
    let error = case().variable("PHASEGATE_SERVICE_TOKEN", "hunter2 \n").error();
    assert!(!error.contains("hunter2"), "{error}");

    let help = with_secrets().flag("--help").load().unwrap_err();
    assert!(help.contains("[env: SLACK_BOT_TOKEN]") && !help.contains("hunter2"), "{help}");
}

/// `phasegate up` layers one subcommand's flags the same way.
#[test]
fn a_subcommand_can_be_layered() {
    use clap::Args as _;
    let up = SharedArgs::augment_args(clap::Command::new("up"))
        .arg(clap::Arg::new("collector_listen").long("collector-listen").env("PHASEGATE_COLLECTOR_LISTEN"));
    let command = clap::Command::new("phasegate").subcommand(up);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.toml");
    std::fs::write(&path, "[collector]\nlisten = \"127.0.0.1:0\"\n").unwrap();
    let arguments = ["phasegate".into(), "up".into(), "--config".into(), path.into_os_string()];
    let spec = Spec { subcommand: Some("up"), sections: &["collector", "analyzer", "reporter"] };
    let environment = |name: &str| (name == "PHASEGATE_DATA_DIR").then(|| "/data".into());
    let loaded = load(command, spec, &arguments, &environment).unwrap();
    assert_eq!(loaded.get::<SharedArgs>().unwrap().data_dir.to_str(), Some("/data"));
    assert_eq!(loaded.matches.get_one::<String>("collector_listen").unwrap(), "127.0.0.1:0");
}
