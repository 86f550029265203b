//! `completions` and `man`.

use std::io;

use clap::{Command, CommandFactory as _};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use crate::args::{Cli, EXAMPLES, EXIT_CODES, KEYS};
use crate::failure::Failure;
use crate::output;
#[cfg(feature = "s3")]
use crate::s3::args as s3;

pub(crate) fn completions(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "waxseal", &mut script);
    output::print(&script)
}

/// One page with everything: a page for each command would need a folder to go to.
pub(crate) fn man() -> Result<(), Failure> {
    let page = render().map_err(|error| output::stdout_failed(&error))?;
    output::print(page.as_bytes())
}

fn render() -> io::Result<String> {
    let mut command = Cli::command();
    command.build();
    let man = Man::new(command.clone());
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    for (name, subcommand) in all_of(&command, "") {
        let man = Man::new(subcommand.clone());
        let mut section = Vec::new();
        man.render_synopsis_section(&mut section)?;
        man.render_description_section(&mut section)?;
        man.render_options_section(&mut section)?;
        let section = String::from_utf8_lossy(&section)
            .replace(".SH SYNOPSIS", &format!(".SH {name}"))
            .replace(".SH DESCRIPTION", ".PP")
            .replace(".SH OPTIONS", ".PP");
        page.extend_from_slice(section.as_bytes());
    }
    let texts = [
        ("EXAMPLES", EXAMPLES),
        #[cfg(feature = "s3")]
        ("EXAMPLES OF S3", s3::EXAMPLES),
        ("KEYS", KEYS),
        #[cfg(feature = "s3")]
        ("KEYS OF S3", s3::KEYS),
        ("EXIT STATUS", EXIT_CODES),
    ];
    for (name, text) in texts {
        let mut section = Roff::new();
        // Their lines are laid out already.
        section.control("SH", [name]).control("nf", []).text([roman(text)]).control("fi", []);
        section.to_writer(&mut page)?;
    }
    Ok(String::from_utf8_lossy(&page).into_owned())
}

/// All commands with those inside of them, each with its full name as a heading.
fn all_of<'a>(command: &'a Command, within: &str) -> Vec<(String, &'a Command)> {
    let mut all = Vec::new();
    for inner in command.get_subcommands().filter(|command| command.get_name() != "help") {
        let name = format!("{within}{}", inner.get_name().to_uppercase());
        let deeper = all_of(inner, &format!("{name} "));
        all.push((name, inner));
        all.extend(deeper);
    }
    all
}
