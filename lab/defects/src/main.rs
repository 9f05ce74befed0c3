//! In `lab/`: `cargo run -p phasegate-defects -- prove`. See docs/contributing/planted-defects.md.

use std::process::ExitCode;

use anyhow::ensure;
use clap::{Parser, Subcommand};
use phasegate_defects::{Patch, Series, Tree, proof, root, scratch};

/// Plants defects in a scratch copy of the tree, and proves that each is caught
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Whether all patches apply
    Check,
    /// Make the scratch copy with all defects, build it, and prove that each is caught by what its patch names
    Prove {
        /// These alone, as `skip-fencing`
        names: Vec<String>,
        #[arg(long, default_value_t = 2)]
        threads: usize,
    },
    /// Make the scratch copy with the patches before this one, and what of it fits, to be edited there
    Lay { name: String },
    /// Make this patch anew from the scratch copy as it was edited after `lay`
    Refresh { name: String },
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("phasegate-defects: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    let root = root();
    let (series, mut tree) = (Series::of(&root)?, Tree::tracked(&root)?);
    let copy = scratch::folder(&root);
    match command {
        Command::Check => {
            series.apply(&mut tree)?;
            println!("{} defects apply", series.defects().len());
        }
        Command::Prove { names, threads } => {
            let asked = |it: &&Patch| names.is_empty() || names.iter().any(|name| it.switch() == name);
            let defects: Vec<&Patch> = series.defects().iter().filter(asked).collect();
            ensure!(!defects.is_empty(), "there is no such defect");
            series.apply(&mut tree)?;
            tree.write(&copy)?;
            let wrong = proof::prove(&scratch::build(&root)?, &defects, threads)?;
            ensure!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), defects.len(), wrong.join("\n"));
            println!("all {} defects are caught by what they name", defects.len());
        }
        Command::Lay { name } => {
            let misfits = series.apply_up_to(&name, &mut tree)?;
            tree.write(&copy)?;
            misfits.iter().for_each(|misfit| println!("{misfit}"));
            println!("edit {}, then `refresh {name}`", copy.display());
        }
        Command::Refresh { name } => {
            println!("{}", series.refresh(&name, tree, &scratch::edited(&root)?)?.display());
        }
    }
    Ok(())
}
