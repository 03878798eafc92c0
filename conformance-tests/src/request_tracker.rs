//! A private Request Tracker 5: the real software, for the length of a test.
//!
//! It stands for the case inbox that many small organisations run. Each instance has its own folder, SQLite database,
//! port and accounts and touches nothing of an RT that the machine may run besides. Debian's packages are needed
//! ([`available`] says what is missing); no special rights are. A start takes some five seconds, so a test binary
//! shares one instance.
//!
//! What people at the charity do (take, set a status, comment) goes over REST 2.0 under an account of their own, so that
//! the history tells them from the gateway. RT's clock is the machine's and cannot be set.
//!
//! Nothing here knows what a referral is: queue and fields are the caller's.

mod installed;
mod instance;
mod settings;
mod wire;

use std::io;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use url::form_urlencoded;

use instance::{Instance, Prepared};

pub use installed::{Missing, available, reason_to_skip};
pub use settings::{Account, Field, FieldKind, RequestTrackerConfig};
pub use wire::Answer;

/// So often is a new server asked whether it is there.
const ATTEMPTS: usize = 600;

/// Between two of them.
const BEAT: Duration = Duration::from_millis(100);

/// So many ports are tried: somebody may take one between the choice and the start.
const PORTS: usize = 3;

/// Most pages of a history that are read.
const PAGES: usize = 100;

/// Why an instance could not be started or would not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum RequestTrackerError {
    /// It is not installed.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// A file or a process.
    #[error("the instance's folder or process failed")]
    Io(#[from] io::Error),
    /// The database could not be made.
    #[error("rt-setup-database {step} failed: {words}")]
    Setup {
        /// Its arguments.
        step: String,
        /// What it said.
        words: String,
    },
    /// The server did not answer.
    #[error("the server did not get ready; its log: {log}")]
    NotReady {
        /// What it said.
        log: String,
    },
    /// A request failed on the way.
    #[error("the request failed")]
    Http(#[from] reqwest::Error),
    /// RT answered, and did not do it.
    #[error("RT did not {what}: {status} {text}")]
    Refused {
        /// What was asked.
        what: String,
        /// The status code, which may well be 200.
        status: u16,
        /// The body.
        text: String,
    },
}

/// A running instance. It ends with [`RequestTracker::stop`], and when this process does.
pub struct RequestTracker {
    instance: Instance,
    client: reqwest::Client,
    tokens: [String; Account::ALL.len()],
    queue: String,
}

impl RequestTracker {
    /// Makes an instance and waits until it answers.
    ///
    /// # Errors
    /// If RT is not installed, or fails to start; the error holds what it said.
    pub async fn start(config: RequestTrackerConfig) -> Result<Self, RequestTrackerError> {
        available()?;
        let client = wire::client()?;
        let queue = config.queue.clone();
        for port in 1..=PORTS {
            let config = config.clone();
            let prepared = tokio::task::spawn_blocking(move || Prepared::make(&config)).await;
            let prepared = prepared.map_err(io::Error::other)??;
            let mut tokens = [const { String::new() }; Account::ALL.len()];
            for (token, account) in tokens.iter_mut().zip(Account::ALL) {
                *token = prepared.token(account)?;
            }
            let tracker = Self { instance: prepared.serve()?, client: client.clone(), tokens, queue: queue.clone() };
            match tracker.ready().await {
                Ok(()) => return Ok(tracker),
                Err(error) if port == PORTS || !tracker.instance.has_ended() => return Err(error),
                Err(_) => {}
            }
        }
        Err(RequestTrackerError::NotReady { log: "no port was free".to_owned() })
    }

    async fn ready(&self) -> Result<(), RequestTrackerError> {
        let mut beat = tokio::time::interval(BEAT);
        for _ in 0..ATTEMPTS {
            tokio::select! {
                () = self.instance.ended() => break,
                _ = beat.tick() => {}
            }
            // A refused connection is what a server gives that is not there yet.
            if self.call(Account::Gateway, Method::GET, "rt", None, None).await.is_ok_and(|answer| answer.status == 200)
            {
                return Ok(());
            }
        }
        Err(RequestTrackerError::NotReady { log: self.instance.log() })
    }

    /// The base of REST 2.0, `http://127.0.0.1:port/REST/2.0/`.
    pub fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}/REST/2.0/", self.instance.port)
    }

    /// The token of an account, for `Authorization: token …`.
    pub fn token(&self, account: Account) -> &str {
        let [gateway, worker, newcomer] = &self.tokens;
        match account {
            Account::Gateway => gateway,
            Account::Worker => worker,
            Account::Newcomer => newcomer,
        }
    }

    /// Sends one request below [`RequestTracker::base_url`] and gives the answer, whatever it is.
    ///
    /// # Errors
    /// If no answer came.
    pub async fn call(
        &self,
        account: Account,
        method: Method,
        path: &str,
        if_match: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Answer, RequestTrackerError> {
        let url = format!("{}{path}", self.base_url());
        wire::call(&self.client, method, &url, self.token(account), if_match, body).await
    }

    /// The worker makes a ticket their own.
    ///
    /// # Errors
    /// If RT did not.
    pub async fn take(&self, id: u64) -> Result<(), RequestTrackerError> {
        let answer = self.as_worker(Method::PUT, &format!("ticket/{id}/take"), Some(&json!({}))).await?;
        let done = answer.text.contains(&format!("to {}", Account::Worker.name()));
        if answer.status == 200 && done { Ok(()) } else { Err(refused("take the ticket", &answer)) }
    }

    /// The worker sets a status: `open`, `stalled`, `resolved`, `rejected`, `deleted` in RT's own lifecycle.
    ///
    /// # Errors
    /// If it did not change to that. RT's answer is 200 then all the same.
    pub async fn set_status(&self, id: u64, status: &str) -> Result<(), RequestTrackerError> {
        let answer = self.as_worker(Method::PUT, &format!("ticket/{id}"), Some(&json!({ "Status": status }))).await?;
        // The words are all that tells success from failure.
        let words = if status == "deleted" { "Ticket deleted".to_owned() } else { format!("to '{status}'") };
        let done = answer.status == 200 && answer.text.contains(&words);
        if done { Ok(()) } else { Err(refused("set the status", &answer)) }
    }

    /// The worker writes a comment, which only members of staff see.
    ///
    /// # Errors
    /// If RT did not take it.
    pub async fn comment(&self, id: u64, text: &str) -> Result<(), RequestTrackerError> {
        self.write(id, "comment", text).await
    }

    /// The worker writes to the requestor.
    ///
    /// # Errors
    /// If RT did not take it.
    pub async fn reply(&self, id: u64, text: &str) -> Result<(), RequestTrackerError> {
        self.write(id, "correspond", text).await
    }

    async fn write(&self, id: u64, how: &str, text: &str) -> Result<(), RequestTrackerError> {
        let body = json!({ "Content": text, "ContentType": "text/plain" });
        let answer = self.as_worker(Method::POST, &format!("ticket/{id}/{how}"), Some(&body)).await?;
        if answer.status == 201 { Ok(()) } else { Err(refused(how, &answer)) }
    }

    /// A ticket, as RT shows it to the worker.
    ///
    /// # Errors
    /// If there is none.
    pub async fn ticket(&self, id: u64) -> Result<Value, RequestTrackerError> {
        let answer = self.as_worker(Method::GET, &format!("ticket/{id}"), None).await?;
        if answer.status == 200 { Ok(answer.json()) } else { Err(refused("show the ticket", &answer)) }
    }

    /// The transactions of a ticket, oldest first, as RT shows them to the worker.
    ///
    /// # Errors
    /// If RT does not give them.
    pub async fn history(&self, id: u64) -> Result<Vec<Value>, RequestTrackerError> {
        let mut found = Vec::new();
        for page in 1..=PAGES {
            let fields = "fields=Type,Field,OldValue,NewValue,Created,Creator,Data&per_page=100";
            let answer =
                self.as_worker(Method::GET, &format!("ticket/{id}/history?{fields}&page={page}"), None).await?;
            let Some(Value::Array(rows)) = answer.json().get("items").cloned() else {
                return Err(refused("show the history", &answer));
            };
            // The worker sees every row, so that a short page is the last one.
            let last = rows.len() < 100;
            found.extend(rows);
            if last {
                break;
            }
        }
        Ok(found)
    }

    /// The ids of the tickets in the queue with this value in this custom field, oldest first. Deleted ones are not
    /// found.
    ///
    /// # Errors
    /// If RT does not answer the search.
    pub async fn with_field(&self, field: &str, value: &str) -> Result<Vec<u64>, RequestTrackerError> {
        let quote = |text: &str| text.replace('\\', "\\\\").replace('\'', "\\'");
        let sql = format!("Queue = '{}' AND 'CF.{{{field}}}' = '{}'", quote(&self.queue), quote(value));
        let query: String = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("query", sql.as_str()), ("per_page", "100"), ("orderby", "id")])
            .finish();
        let answer = self.as_worker(Method::GET, &format!("tickets?{query}"), None).await?;
        let body = answer.json();
        let Some(items) = body.get("items").and_then(Value::as_array) else {
            return Err(refused("search", &answer));
        };
        Ok(items.iter().filter_map(|one| one.get("id")?.as_str()?.parse().ok()).collect())
    }

    async fn as_worker(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, RequestTrackerError> {
        self.call(Account::Worker, method, path, None, body).await
    }

    /// What the server has said so far: its warnings and errors.
    pub fn log(&self) -> String {
        self.instance.log()
    }

    /// Ends the server and removes the folder.
    ///
    /// # Errors
    /// If a process or the folder would not go.
    pub async fn stop(self) -> Result<(), RequestTrackerError> {
        Ok(self.instance.stop().await?)
    }
}

fn refused(what: &str, answer: &Answer) -> RequestTrackerError {
    RequestTrackerError::Refused { what: what.to_owned(), status: answer.status, text: answer.text.clone() }
}
