//! `cargo xtask demo`: everything built and served on this machine, on a database of its own.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::process::Child;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::process::Call;
use crate::say::say;
use crate::server::{self, Profile};
use crate::workspace::Workspace;
use crate::{pkg, setup, www};

const HOST: &str = "127.0.0.1";

/// The first start loads all the places of the demo into the database before the server answers.
const START_SECONDS_MAX: u64 = 180;
/// Requests under way are given this long once the server was asked to stop.
const STOP_SECONDS_MAX: u64 = 15;
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Options of `cargo xtask demo`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Builds and serves without looking at the tools first
    #[arg(long)]
    no_setup: bool,
    /// The port to serve at
    #[arg(long, default_value_t = 8787)]
    port: u16,
}

/// Builds, serves until Ctrl-C, and stops the server.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<(), Failure> {
    let address = format!("{HOST}:{}", arguments.port);
    check_free(&address)?;
    if !arguments.no_setup {
        setup::run(workspace)?;
    }
    pkg::build(workspace, pkg::Mode::Release)?;
    www::build(workspace)?;
    let program = server::build(workspace, Profile::Release)?;
    let data = workspace.target().join("demo");
    fs::create_dir_all(&data).map_err(Failure::file("creating", &data))?;
    let call = Call::new(program)
        .args(["--config", "www/server.toml", "--static", "www/dist", "--listen", &address, "--data"])
        .arg(data.join("demo.sqlite"))
        .dir(workspace.root());
    serve(call, &address)
}

fn serve(call: Call, address: &str) -> Result<(), Failure> {
    let (sender, interrupted) = channel();
    ctrlc::set_handler(move || {
        sender.send(()).ok();
    })?;
    let mut server = call.start_detached()?;
    let stopped = wait_until_it_answers(&mut server, address, &interrupted)?;
    if !stopped {
        print_invitation(address);
        wait_until_interrupted(&mut server, address, &interrupted)?;
    }
    stop(&mut server)
}

fn print_invitation(address: &str) {
    say!();
    say!("The demo is at http://{address}");
    say!("  - Open it in two windows; create and edit work orders in one, see them in the other.");
    say!("  - Go offline (DevTools, Network, Offline, or the network cable), edit, reload: everything is still there.");
    say!("  - Come back online: \"Syncing…\", and the other window has it.");
    say!("  - Install it from the address bar; it starts without a network.");
    say!("Ctrl-C stops it. The data is kept for the next time.");
}

/// Says whether Ctrl-C came first.
fn wait_until_it_answers(server: &mut Child, address: &str, interrupted: &Receiver<()>) -> Result<bool, Failure> {
    let deadline = Instant::now() + Duration::from_secs(START_SECONDS_MAX);
    loop {
        check_running(server, address)?;
        if TcpStream::connect(address).is_ok() {
            return Ok(false);
        }
        if Instant::now() > deadline {
            server.kill().ok();
            return Err(silent(address, format!("not within {START_SECONDS_MAX} s")));
        }
        if !matches!(interrupted.recv_timeout(POLL_INTERVAL), Err(RecvTimeoutError::Timeout)) {
            return Ok(true);
        }
    }
}

fn wait_until_interrupted(server: &mut Child, address: &str, interrupted: &Receiver<()>) -> Result<(), Failure> {
    while matches!(interrupted.recv_timeout(POLL_INTERVAL), Err(RecvTimeoutError::Timeout)) {
        check_running(server, address)?;
    }
    Ok(())
}

/// Asks the server to stop, and waits for it to finish what it is doing.
fn stop(server: &mut Child) -> Result<(), Failure> {
    say!("\nStopping the server …");
    ask_to_stop(server);
    let deadline = Instant::now() + Duration::from_secs(STOP_SECONDS_MAX);
    while Instant::now() < deadline {
        match server.try_wait() {
            Ok(Some(status)) if status.success() => {
                say!("Stopped.");
                return Ok(());
            }
            Ok(Some(status)) => return Err(Failure::Exit { line: "whimbrel-server".to_owned(), status }),
            Ok(None) => thread::sleep(POLL_INTERVAL),
            Err(_) => break,
        }
    }
    server.kill().ok();
    Err(Failure::ServerStuck { seconds: STOP_SECONDS_MAX })
}

/// The standard library knows only how to kill, so the polite signal is sent by the system's own program.
fn ask_to_stop(server: &mut Child) {
    let asked = Call::new("kill").args(["-TERM", &server.id().to_string()]).capture();
    if asked.is_err() {
        server.kill().ok();
    }
}

fn check_running(server: &mut Child, address: &str) -> Result<(), Failure> {
    match server.try_wait() {
        Ok(None) => Ok(()),
        Ok(Some(status)) => Err(silent(address, format!("it ended by itself ({status}); what it said stands above"))),
        Err(error) => Err(silent(address, error.to_string())),
    }
}

fn silent(address: &str, reason: String) -> Failure {
    Failure::ServerSilent { address: address.to_owned(), reason }
}

/// Asked before minutes are spent on building.
fn check_free(address: &str) -> Result<(), Failure> {
    TcpListener::bind(address).map(drop).map_err(|_| Failure::AddressTaken { address: address.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::check_free;
    use std::net::TcpListener;

    #[test]
    fn a_taken_address_is_one_sentence() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let failure = check_free(&address).unwrap_err().to_string();
        assert_eq!(failure, format!("{address} is taken: stop what listens there, or choose another with --port"));
        drop(listener);
        assert!(check_free(&address).is_ok());
    }
}
