//! Strongly connected components: files each of which needs all the others.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::references::References;

/// Components of more than `most` files, each sorted by name.
pub(crate) fn larger_than(most: usize, references: &References) -> Vec<Vec<PathBuf>> {
    let mut search = Search::over(references);
    for file in references.keys() {
        if !search.number.contains_key(file.as_path()) {
            search.visit(file);
        }
    }
    search.found.retain(|it| it.len() > most);
    search.found
}

/// Tarjan's.
struct Search<'a> {
    references: &'a References,
    number: BTreeMap<&'a Path, usize>,
    lowest: BTreeMap<&'a Path, usize>,
    open: Vec<&'a Path>,
    is_open: BTreeSet<&'a Path>,
    found: Vec<Vec<PathBuf>>,
}

impl<'a> Search<'a> {
    fn over(references: &'a References) -> Self {
        Self {
            references,
            number: BTreeMap::new(),
            lowest: BTreeMap::new(),
            open: Vec::new(),
            is_open: BTreeSet::new(),
            found: Vec::new(),
        }
    }

    fn visit(&mut self, file: &'a Path) {
        let number = self.number.len();
        self.number.insert(file, number);
        let mut lowest = number;
        self.open.push(file);
        self.is_open.insert(file);
        for needed in self.references.get(file).into_iter().flatten() {
            if !self.number.contains_key(needed.as_path()) {
                self.visit(needed);
                lowest = lowest.min(self.lowest[needed.as_path()]);
            } else if self.is_open.contains(needed.as_path()) {
                lowest = lowest.min(self.number[needed.as_path()]);
            }
        }
        self.lowest.insert(file, lowest);
        if lowest == number {
            let at = self.open.iter().position(|it| *it == file).expect("opened above");
            let mut component: Vec<PathBuf> = self.open.drain(at..).map(Path::to_path_buf).collect();
            self.is_open.retain(|it| !component.iter().any(|closed| closed == it));
            component.sort();
            self.found.push(component);
        }
    }
}
