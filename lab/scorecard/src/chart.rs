//! One picture of all rules: how often the first rollback is right, against how long a bad version is met.

use std::fmt::Write as _;

use crate::row::Row;
use crate::score::{figures, percentile};
use crate::table::Rule;

const LEFT: f64 = 60.0;
const TOP: f64 = 30.0;
const WIDTH: f64 = 520.0;
const HEIGHT: f64 = 420.0;
/// From one window to this many; each doubling is as wide as the one before it.
const LONGEST: f64 = 64.0;
/// A rule that finds less in percent is drawn hollow: what it does not find counts in neither axis.
const MOST: f64 = 95.0;

/// An SVG.
#[must_use]
pub fn chart(rules: &[Rule]) -> String {
    let height = HEIGHT + TOP + 60.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 1000 {height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"1000\" height=\"{height}\" fill=\"#fff\"/>\n"
    );
    axes(&mut svg);
    // The first ones last: they lie on top.
    for (index, rule) in rules.iter().enumerate().rev() {
        let line = TOP + 12.0 + 18.0 * f64::from(u16::try_from(index).unwrap_or(u16::MAX));
        let rows: Vec<&Row> = rule.rows.iter().collect();
        let it = figures(&rows);
        let delays: Vec<f64> = it.far_over_windows.iter().chain(&it.over_windows).copied().collect();
        let (Some(precision), Some(windows)) = (it.precision.percent(), percentile(&delays, 75.0)) else {
            continue;
        };
        let finds = it.recall.percent().unwrap_or(0.0);
        let own = rule.name.starts_with("Phasegate");
        let ink = if own { "#c2410c" } else { "#334155" };
        let fill = if finds >= MOST { ink } else { "#fff" };
        let (x, y) = (across(windows), down(precision));
        let text = if finds >= MOST { "#fff" } else { ink };
        let _ = writeln!(
            svg,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"10\" fill=\"{fill}\" stroke=\"{ink}\" stroke-width=\"1.5\"/>\
             <text x=\"{x:.1}\" y=\"{:.1}\" font-size=\"10\" text-anchor=\"middle\" fill=\"{text}\">{}</text>",
            y + 3.5,
            index + 1
        );
        let weight = if own { "bold" } else { "normal" };
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{line:.1}\" fill=\"{ink}\" font-weight=\"{weight}\">{} {}</text>",
            LEFT + WIDTH + 30.0,
            index + 1,
            rule.name
        );
    }
    let _ = writeln!(svg, "</svg>");
    svg
}

fn axes(svg: &mut String) {
    let (right, bottom) = (LEFT + WIDTH, TOP + HEIGHT);
    for percent in [0, 20, 40, 60, 80, 100] {
        let y = down(f64::from(percent));
        let _ = writeln!(
            svg,
            "<line x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#e2e8f0\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{percent} %</text>",
            LEFT - 8.0,
            y + 4.0
        );
    }
    for windows in [1, 2, 4, 8, 16, 32, 64] {
        let x = across(f64::from(windows));
        let _ = writeln!(
            svg,
            "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{bottom}\" stroke=\"#e2e8f0\"/>\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{windows}</text>",
            bottom + 18.0
        );
    }
    let middle = LEFT + WIDTH / 2.0;
    let _ = writeln!(
        svg,
        "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">windows until three of four bad versions that it finds are found (from 1.1 × the limit on)</text>\
         <text x=\"{LEFT}\" y=\"18\">first rollback right; hollow: finds fewer than {MOST} %</text>",
        bottom + 40.0
    );
}

fn across(windows: f64) -> f64 {
    LEFT + WIDTH * windows.clamp(1.0, LONGEST).ln() / LONGEST.ln()
}

fn down(percent: f64) -> f64 {
    TOP + HEIGHT * (1.0 - percent / 100.0)
}
