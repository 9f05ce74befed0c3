//! The modules of a crate: which file each stands in, and what its names lead to.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use syn::{Attribute, Item, ItemMod, Meta, UseTree, Visibility};

/// A path of names from the crate's root: `["rollout", "state"]`.
pub(crate) type ModulePath = Vec<String>;

/// A module of the crate. One that is written inside another's file has that file.
pub(crate) struct Module {
    pub(crate) file: PathBuf,
    pub(crate) items: Vec<Item>,
    /// Types, functions, constants and macros that it defines.
    defined: Vec<String>,
    /// What `use` brings into its scope: the name here, and the path as it is written.
    pub(crate) imported: Vec<Import>,
}

/// One leaf of a `use`.
pub(crate) struct Import {
    /// None: everything (`*`).
    name: Option<String>,
    pub(crate) path: Vec<String>,
    /// A `pub use` is a door: it opens the way for others and is no dependency of this file.
    pub(crate) door: bool,
}

/// The modules of one crate, without its tests.
#[derive(Default)]
pub(crate) struct Modules(pub(crate) BTreeMap<ModulePath, Module>);

/// What a path leads to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Module(ModulePath),
    /// An item of that module.
    Item(ModulePath),
}

/// Doors that open onto doors: more than that is a path that leads in circles.
const DOORS: usize = 16;

impl Modules {
    /// Reads the crate whose root is this file.
    pub(crate) fn read(root: &Path) -> Self {
        let mut modules = Self::default();
        modules.add_file(Vec::new(), root, root.parent().expect("a folder"));
        modules
    }

    fn add_file(&mut self, path: ModulePath, file: &Path, below: &Path) {
        let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        self.add_text(path, file, below, &text);
    }

    /// `below` is where the files of its child modules are.
    pub(crate) fn add_text(&mut self, path: ModulePath, file: &Path, below: &Path, text: &str) {
        let parsed = syn::parse_file(text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        self.add(path, file, below, parsed.items);
    }

    fn add(&mut self, path: ModulePath, file: &Path, below: &Path, items: Vec<Item>) {
        let items: Vec<Item> = items.into_iter().filter(|item| !is_test(attributes(item))).collect();
        let mut module =
            Module { file: file.to_path_buf(), items: vec![], defined: vec![], imported: vec![] };
        for item in items {
            match item {
                Item::Mod(inner) => self.add_child(&path, file, below, inner),
                Item::Use(it) => {
                    let door = !matches!(it.vis, Visibility::Inherited);
                    leaves(&it.tree, &mut Vec::new(), &mut |name, path| {
                        module.imported.push(Import { name, path, door });
                    });
                }
                item => {
                    module.defined.extend(name_of(&item));
                    module.items.push(item);
                }
            }
        }
        self.0.insert(path, module);
    }

    fn add_child(&mut self, path: &ModulePath, file: &Path, below: &Path, child: ItemMod) {
        let name = plain(&child.ident);
        let inside = [path.as_slice(), std::slice::from_ref(&name)].concat();
        if let Some((_, items)) = child.content {
            return self.add(inside, file, &below.join(name), items);
        }
        let named = child.attrs.iter().find_map(path_attribute);
        let candidates = match named {
            Some(named) => vec![file.parent().expect("a folder").join(named)],
            None => vec![below.join(format!("{name}.rs")), below.join(&name).join("mod.rs")],
        };
        // Only the tests of this tool give text without files.
        if let Some(found) = candidates.iter().find(|it| it.is_file()) {
            self.add_file(inside, found, &below.join(name));
        }
    }

    /// What a path that is written in `from` leads to; none: out of the crate, or to something local.
    pub(crate) fn resolve(&self, from: &ModulePath, path: &[String]) -> Option<Found> {
        self.follow(from, path, DOORS)
    }

    fn follow(&self, from: &ModulePath, path: &[String], doors: usize) -> Option<Found> {
        let (first, mut rest) = path.split_first()?;
        let mut at = match first.as_str() {
            "crate" => Found::Module(Vec::new()),
            "self" => Found::Module(from.clone()),
            "super" => Found::Module(parent(from)?),
            name => self.look(from, name, doors)?,
        };
        while let (Found::Module(module), Some((name, more))) = (&at, rest.split_first()) {
            at = match name.as_str() {
                "super" => Found::Module(parent(module)?),
                "self" => Found::Module(module.clone()),
                name => self.look(module, name, doors)?,
            };
            rest = more;
        }
        Some(at)
    }

    /// A name in the scope of a module: a child, an item, or what a `use` says it is.
    fn look(&self, module: &ModulePath, name: &str, doors: usize) -> Option<Found> {
        let doors = doors.checked_sub(1)?;
        let child = [module.as_slice(), &[name.to_owned()]].concat();
        if self.0.contains_key(&child) {
            return Some(Found::Module(child));
        }
        let scope = self.0.get(module)?;
        if scope.defined.iter().any(|it| it == name) {
            return Some(Found::Item(module.clone()));
        }
        let named = scope.imported.iter().find(|it| it.name.as_deref() == Some(name));
        if let Some(import) = named {
            return self.follow(module, &import.path, doors);
        }
        let everything = scope.imported.iter().filter(|it| it.name.is_none());
        everything.into_iter().find_map(|import| match self.follow(module, &import.path, doors)? {
            Found::Module(inside) => self.look(&inside, name, doors),
            // `use Enum::*`: its variants.
            Found::Item(_) => None,
        })
    }
}

fn parent(module: &ModulePath) -> Option<ModulePath> {
    module.split_last().map(|(_, above)| above.to_vec())
}

pub(crate) fn plain(ident: &impl ToString) -> String {
    ident.to_string().trim_start_matches("r#").to_owned()
}

/// Each leaf of a `use`, with the name it gets here; none: everything (`*`).
pub(crate) fn leaves(
    tree: &UseTree,
    before: &mut Vec<String>,
    found: &mut impl FnMut(Option<String>, Vec<String>),
) {
    let with = |before: &[String], name: &syn::Ident| [before, &[plain(name)]].concat();
    match tree {
        UseTree::Path(it) => {
            before.push(plain(&it.ident));
            leaves(&it.tree, before, found);
            before.pop();
        }
        UseTree::Name(it) if it.ident == "self" => found(before.last().cloned(), before.clone()),
        UseTree::Name(it) => found(Some(plain(&it.ident)), with(before, &it.ident)),
        UseTree::Rename(it) if it.ident == "self" => found(Some(plain(&it.rename)), before.clone()),
        UseTree::Rename(it) => found(Some(plain(&it.rename)), with(before, &it.ident)),
        UseTree::Glob(_) => found(None, before.clone()),
        UseTree::Group(it) => it.items.iter().for_each(|inner| leaves(inner, before, found)),
    }
}

fn name_of(item: &Item) -> Option<String> {
    Some(plain(match item {
        Item::Const(it) => &it.ident,
        Item::Enum(it) => &it.ident,
        Item::Fn(it) => &it.sig.ident,
        Item::Macro(it) => it.ident.as_ref()?,
        Item::Static(it) => &it.ident,
        Item::Struct(it) => &it.ident,
        Item::Trait(it) => &it.ident,
        Item::TraitAlias(it) => &it.ident,
        Item::Type(it) => &it.ident,
        Item::Union(it) => &it.ident,
        _ => return None,
    }))
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(it) => &it.attrs,
        Item::Enum(it) => &it.attrs,
        Item::Fn(it) => &it.attrs,
        Item::Impl(it) => &it.attrs,
        Item::Macro(it) => &it.attrs,
        Item::Mod(it) => &it.attrs,
        Item::Static(it) => &it.attrs,
        Item::Struct(it) => &it.attrs,
        Item::Trait(it) => &it.attrs,
        Item::Type(it) => &it.attrs,
        Item::Use(it) => &it.attrs,
        _ => &[],
    }
}

/// `#[cfg(test)]`.
fn is_test(attributes: &[Attribute]) -> bool {
    let test = |it: &Attribute| {
        it.path().is_ident("cfg") && it.parse_args::<syn::Ident>().is_ok_and(|name| name == "test")
    };
    attributes.iter().any(test)
}

/// The file that `#[path = "…"]` names.
fn path_attribute(attribute: &Attribute) -> Option<String> {
    let Meta::NameValue(it) = &attribute.meta else { return None };
    match &it.value {
        syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(file), .. }) if it.path.is_ident("path") => {
            Some(file.value())
        }
        _ => None,
    }
}
