//! The page: files served as they are, from this binary, with a policy that lets nothing in from elsewhere.
//!
//! It must never carry data: whoever can reach the service may load it, and all it shows it asks the API for.

use axum::Router;
use axum::extract::Path;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rust_embed::RustEmbed;
use sha2::{Digest as _, Sha256};

/// A debug build reads them from the folder, so that a change needs no build.
#[derive(RustEmbed)]
#[folder = "ui"]
struct Files;

const INDEX: &str = "index.html";

/// `/` and `/ui/…`.
pub fn routes() -> Router {
    Router::new()
        .route("/", get(|headers: HeaderMap| async move { file(INDEX, &headers) }))
        .route(
            "/ui/{*path}",
            get(|Path(path): Path<String>, headers: HeaderMap| async move { file(&path, &headers) }),
        )
        .route("/favicon.ico", get(|headers: HeaderMap| async move { file("icon.svg", &headers) }))
}

fn file(path: &str, headers: &HeaderMap) -> Response {
    let Some(file) = Files::get(path) else { return StatusCode::NOT_FOUND.into_response() };
    let etag = format!("\"{}\"", STANDARD.encode(file.metadata.sha256_hash()));
    let asked = headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let common = [
        (ETAG, etag.clone()),
        // Asked for again each time, and answered 304: a new version is seen at once.
        (CACHE_CONTROL, "no-cache".to_owned()),
        (CONTENT_SECURITY_POLICY, content_security_policy()),
        (REFERRER_POLICY, "no-referrer".to_owned()),
        (CONTENT_TYPE, kind(path).to_owned()),
    ];
    if asked == Some(etag.as_str()) {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    (common, file.data.into_owned()).into_response()
}

fn kind(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("mjs" | "js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "text/plain; charset=utf-8",
    }
}

/// Scripts of this service only, and the one import map in the page, by its hash. Nothing else, from nowhere.
fn content_security_policy() -> String {
    let index = Files::get(INDEX).map(|file| String::from_utf8_lossy(&file.data).into_owned());
    let map = index.as_deref().and_then(import_map).unwrap_or_default();
    let hash = STANDARD.encode(Sha256::digest(map.as_bytes()));
    format!(
        "default-src 'none'; script-src 'self' 'sha256-{hash}'; style-src 'self'; img-src 'self'; \
         connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'"
    )
}

fn import_map(page: &str) -> Option<&str> {
    let (_, rest) = page.split_once("<script type=\"importmap\">")?;
    rest.split_once("</script>").map(|(map, _)| map)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// DA-4: no build step stands between these files and the browser, and together they stay small.
    #[test]
    fn the_page_is_under_260_kb_and_names_no_other_host() {
        let mut total = 0;
        for path in Files::iter() {
            let file = Files::get(&path).unwrap();
            let text = String::from_utf8_lossy(&file.data).into_owned();
            if !path.contains("LICENSE") && !path.ends_with(".md") {
                total += file.data.len();
            }
            if !path.starts_with("vendor/") {
                for scheme in ["http://", "https://"] {
                    let named = text.split(scheme).skip(1).filter(|rest| !rest.starts_with("www.w3.org/"));
                    assert_eq!(named.count(), 0, "{path} names another host");
                }
            }
        }
        assert!((100_000..260_000).contains(&total), "{total} bytes");
    }

    #[test]
    fn the_content_security_policy_allows_the_import_map_and_nothing_inline_besides() {
        let policy = content_security_policy();
        assert!(policy.starts_with("default-src 'none'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        let page = String::from_utf8(Files::get(INDEX).unwrap().data.into_owned()).unwrap();
        assert!(import_map(&page).is_some_and(|map| map.contains("preact")));
        assert_eq!(page.matches("<script").count(), 2, "the import map and the module");
        assert_eq!(page.matches("style=").count(), 0);
    }

    /// What a module imports before it runs, as a path below `ui`.
    fn imports(module: &str) -> Vec<String> {
        let folder = module.rsplit_once('/').unwrap().0;
        let text = String::from_utf8(Files::get(module).unwrap().data.into_owned()).unwrap();
        let named = text.lines().filter_map(|line| line.strip_prefix("import ")?.rsplit_once("from \""));
        let path = |name: &str| match name.strip_prefix("./") {
            Some(beside) => format!("{folder}/{beside}"),
            None => match name.strip_prefix("../") {
                Some(above) => format!("app/{above}"),
                None => format!("vendor/{}.mjs", name.trim_start_matches("preact/")),
            },
        };
        named.map(|(_, name)| path(name.trim_end_matches("\";"))).collect()
    }

    /// Whether `docs/page.md` says how much the first view takes; with `PHASEGATE_UPDATE=1` it does afterwards.
    fn documented(told: &str) -> bool {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/page.md");
        let text = std::fs::read_to_string(path).unwrap();
        let (before, rest) = text.split_once("the first view takes ").unwrap();
        let (said, after) = rest.split_once('.').unwrap();
        if std::env::var_os("PHASEGATE_UPDATE").is_some() {
            std::fs::write(path, format!("{before}the first view takes {told}.{after}")).unwrap();
            return true;
        }
        said == told
    }

    #[test]
    fn every_module_of_the_first_view_and_no_other_is_asked_for_at_once() {
        let mut first = BTreeSet::from(["app/main.mjs".to_owned()]);
        let mut unread: Vec<String> = first.iter().cloned().collect();
        while let Some(module) = unread.pop() {
            unread.extend(imports(&module).into_iter().filter(|it| first.insert(it.clone())));
        }
        let files: BTreeSet<&str> = first.iter().map(String::as_str).chain([INDEX, "style.css"]).collect();
        let kb = |of: &str| {
            let sizes =
                files.iter().filter(|it| it.starts_with(of)).map(|it| Files::get(it).unwrap().data.len());
            sizes.sum::<usize>().div_ceil(10_000) * 10
        };
        let told = format!(
            "{} files and {} kB, {} kB of it words in two languages",
            files.len(),
            kb(""),
            kb("app/words/")
        );
        assert!(
            documented(&told),
            "docs/page.md differs: PHASEGATE_UPDATE=1 cargo test -p reporter-svc --lib page"
        );
        first.remove("app/main.mjs");
        let page = String::from_utf8(Files::get(INDEX).unwrap().data.into_owned()).unwrap();
        let asked = page.split("<link rel=\"modulepreload\" href=\"/ui/").skip(1);
        let asked: BTreeSet<String> = asked.filter_map(|it| Some(it.split_once('"')?.0.to_owned())).collect();
        assert_eq!(asked, first);
        assert!(
            first.contains("app/views/overview.mjs") && !first.contains("app/views/lab.mjs"),
            "{first:?}"
        );
    }

    #[test]
    fn what_is_unchanged_is_not_sent_again() {
        let first = file("style.css", &HeaderMap::new());
        assert_eq!(first.status(), StatusCode::OK);
        let mut headers = HeaderMap::new();
        headers.insert(IF_NONE_MATCH, first.headers()[ETAG].clone());
        assert_eq!(file("style.css", &headers).status(), StatusCode::NOT_MODIFIED);
        assert_eq!(file("../Cargo.toml", &HeaderMap::new()).status(), StatusCode::NOT_FOUND);
    }
}
