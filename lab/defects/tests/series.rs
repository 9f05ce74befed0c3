//! The patches hold together with the tree and with the table of docs/reliability.md; that each defect is caught is proven by
//! `cargo run -p phasegate-defects -- prove`.

use phasegate_defects::{MARKS, Patch, Series, Tree, root};

#[test]
fn all_defects_apply_to_the_tree_and_each_asks_its_own_switch() {
    let (series, mut tree) = (Series::of(&root()).unwrap(), Tree::tracked(&root()).unwrap());
    series.apply(&mut tree).unwrap();
    assert!(series.defects().len() >= 42, "{} defects", series.defects().len());
    let silent: Vec<&str> =
        series.defects().iter().filter(|it| !it.asks_its_switch()).map(|it| it.name.as_str()).collect();
    assert!(silent.is_empty(), "without `planted::is(…)` of their name: {silent:?}");
    let switch = tree.text("shared-types/src/planted.rs").unwrap();
    assert!(switch.contains(MARKS[0]), "the switch is known by {}", MARKS[0]);
}

#[test]
fn the_table_has_a_row_for_each_defect_and_no_other() {
    let document = std::fs::read_to_string(root().join("docs/reliability.md")).unwrap();
    let (_, table) = document.split_once("| Planted defect | Caught by |\n| --- | --- |\n").unwrap();
    let rows: Vec<&str> = table.lines().take_while(|line| line.starts_with('|')).collect();
    let series = Series::of(&root()).unwrap();
    let row = |it: &Patch| format!("| {} | {} |", it.says("Wrong").unwrap(), it.caught_by().join("; "));
    let wanted: Vec<String> = series.defects().iter().map(row).collect();
    assert_eq!(rows, wanted, "the table must be\n{}", wanted.join("\n"));
}
