//! A Node.js process that runs a script of ours over an npm package, asked line by line. It ends with its standard input, so that it never
//! outlives us, however we end.

use serde_json::Value;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// The process and its two pipes.
#[derive(Debug)]
pub(crate) struct Process {
    /// For people: `OAuth2 server`.
    name: &'static str,
    child: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Process {
    /// Starts what says one line by itself once it is ready; with that line.
    pub(crate) fn start(name: &'static str, script: &Path, set_up: &Value) -> io::Result<(Self, Value)> {
        let mut process = Self::spawn(name, script, &set_up.to_string())?;
        let Some(mut complaints) = process.child.stderr.take() else {
            return Err(io::Error::other("no complaints to read"));
        };
        if let Ok(first) = process.answer() {
            // What it says from now on is read and forgotten, so that it is never held up by it.
            std::thread::spawn(move || io::copy(&mut complaints, &mut io::sink()));
            return Ok((process, first));
        }
        process.end();
        let mut said = String::new();
        complaints.read_to_string(&mut said)?;
        Err(io::Error::other(format!("the {name} does not start:\n{said}")))
    }

    /// Starts what waits for its first line in silence.
    pub(crate) fn silent(name: &'static str, script: &Path, argument: &str) -> io::Result<Self> {
        let mut process = Self::spawn(name, script, argument)?;
        if let Some(mut complaints) = process.child.stderr.take() {
            std::thread::spawn(move || io::copy(&mut complaints, &mut io::sink()));
        }
        Ok(process)
    }

    fn spawn(name: &'static str, script: &Path, argument: &str) -> io::Result<Self> {
        let mut command = Command::new("node");
        command.arg(script).arg(argument);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let Some(out) = child.stdout.take() else { return Err(io::Error::other("no output to read")) };
        let commands = child.stdin.take();
        Ok(Self { name, child, commands, answers: BufReader::new(out) })
    }

    /// Says a line, and reads the answer.
    pub(crate) fn command(&mut self, command: &str) -> io::Result<Value> {
        let name = self.name;
        let commands = self.commands.as_mut().ok_or_else(|| io::Error::other(format!("the {name} was stopped")))?;
        writeln!(commands, "{command}")?;
        commands.flush()?;
        self.answer()
    }

    fn answer(&mut self) -> io::Result<Value> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        serde_json::from_str(&line).map_err(io::Error::other)
    }

    /// Ends it without a word.
    pub(crate) fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(|_| ())
    }

    /// Ends it, and waits until it has.
    pub(crate) fn end(&mut self) {
        // It reads our end, and is gone.
        drop(self.commands.take());
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}
