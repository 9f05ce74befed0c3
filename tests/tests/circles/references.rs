//! Which file of a crate refers to which.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

use super::modules::{Found, Modules, leaves, plain};

/// For each file those that it needs to be understood.
pub(crate) type References = BTreeMap<PathBuf, BTreeSet<PathBuf>>;

/// All references of a crate.
pub(crate) fn of(modules: &Modules) -> References {
    let mut found = References::new();
    for (path, module) in &modules.0 {
        let mut paths = Paths::default();
        module.items.iter().for_each(|item| paths.visit_item(item));
        let used = module.imported.iter().filter(|it| !it.door).map(|it| it.path.clone());
        let of_file = found.entry(module.file.clone()).or_default();
        for written in paths.all().into_iter().chain(used) {
            // A module that is only named is a way to what is in it, and that has a path of its own.
            if let Some(Found::Item(at)) = modules.resolve(path, &written) {
                of_file.insert(modules.0[&at].file.clone());
            }
        }
        of_file.remove(&module.file);
    }
    found
}

/// Every path that is written: in code, in the arguments of macros and attributes, and in those of serde as text.
#[derive(Default)]
struct Paths {
    written: Vec<Vec<String>>,
    /// Names that a function's own `use` makes.
    local: BTreeMap<String, Vec<String>>,
}

impl<'a> Visit<'a> for Paths {
    fn visit_path(&mut self, path: &'a syn::Path) {
        self.written.push(path.segments.iter().map(|it| plain(&it.ident)).collect());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, it: &'a syn::Macro) {
        self.read(it.tokens.clone());
        visit::visit_macro(self, it);
    }

    fn visit_attribute(&mut self, it: &'a syn::Attribute) {
        if let syn::Meta::List(list) = &it.meta {
            self.read(list.tokens.clone());
        }
        visit::visit_attribute(self, it);
    }

    /// Inside a function: `use crate::story::words as w`.
    fn visit_item_use(&mut self, it: &'a syn::ItemUse) {
        leaves(&it.tree, &mut Vec::new(), &mut |name, path| {
            self.written.push(path.clone());
            self.local.extend(name.map(|name| (name, path)));
        });
    }
}

impl Paths {
    fn all(self) -> Vec<Vec<String>> {
        let whole = |path: Vec<String>| match path.first().and_then(|first| self.local.get(first)) {
            Some(local) => [local.as_slice(), &path[1..]].concat(),
            None => path,
        };
        self.written.into_iter().map(whole).collect()
    }

    /// Names that are joined by `::`. One that stands alone may be a variable.
    fn read(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.keep(&mut path);
                    }
                    path.push(plain(&ident));
                    colons = 0;
                }
                TokenTree::Punct(it) if it.as_char() == ':' => colons += 1,
                TokenTree::Group(group) => {
                    self.keep(&mut path);
                    self.read(group.stream());
                }
                TokenTree::Literal(it) => {
                    self.keep(&mut path);
                    // `#[serde(with = "shared_types::time")]`
                    let text = it.to_string();
                    if let Ok(path) = syn::parse_str::<syn::Path>(text.trim_matches('"')) {
                        self.visit_path(&path);
                    }
                }
                TokenTree::Punct(_) => self.keep(&mut path),
            }
        }
        self.keep(&mut path);
    }

    fn keep(&mut self, path: &mut Vec<String>) {
        if path.len() > 1 {
            self.written.push(std::mem::take(path));
        }
        path.clear();
    }
}
