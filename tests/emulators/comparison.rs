//! The fake AWS KMS against an emulator that others wrote, call by call. `run.sh` starts the emulators.

mod checks;
mod known;
mod world;

use std::env;
use std::process::ExitCode;

use checks::CHECKS;
use known::Deviation;
use world::World;

fn main() -> ExitCode {
    let (Ok(endpoint), Ok(emulator)) =
        (env::var("WAXSEAL_KMS_ENDPOINT"), env::var("WAXSEAL_KMS_EMULATOR"))
    else {
        println!("not run: there is no emulator; tests/emulators/run.sh starts them");
        return ExitCode::SUCCESS;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let faults = runtime.expect("a runtime").block_on(compare(&endpoint, &emulator));
    println!("{emulator}: {} checks, {} faults", CHECKS.len(), faults.len());
    for fault in &faults {
        println!("FAULT: {emulator}: {fault}");
    }
    if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn compare(endpoint: &str, emulator: &str) -> Vec<String> {
    let known = known::deviations(emulator);
    let fake = World::fake().await;
    let server = World::server(endpoint).await;
    let mut faults: Vec<_> = known
        .iter()
        .filter(|known| CHECKS.iter().all(|(name, _)| *name != known.check))
        .map(|known| format!("`{}` is listed and is no check", known.check))
        .collect();
    println!("| {emulator}: call | FakeKms | {emulator} | |\n|---|---|---|---|");
    for (name, check) in CHECKS {
        let ours = check(&fake).await.unwrap_or_else(|error| error);
        let theirs = check(&server).await.unwrap_or_else(|error| error);
        let listed = known.iter().find(|known| known.check == *name);
        let verdict = match listed {
            _ if ours == theirs && listed.is_some() => {
                faults.push(format!("`{name}` is listed and deviates no more"));
                "FAULT"
            }
            _ if ours == theirs => "",
            Some(Deviation { gives, why, .. }) if *gives == theirs => why,
            Some(Deviation { gives, .. }) => {
                faults.push(format!("`{name}` is listed to give `{gives}`, not `{theirs}`"));
                "FAULT"
            }
            None => {
                faults.push(format!("`{name}`: FakeKms `{ours}`, {emulator} `{theirs}`"));
                "FAULT"
            }
        };
        println!("| {name} | {ours} | {theirs} | {verdict} |");
    }
    faults
}
