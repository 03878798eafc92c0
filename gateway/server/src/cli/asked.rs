//! Asks a running gateway for an operation: whatever changes something is its to do.

use super::{Exit, complain};
use crate::config;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long the gateway is given to answer one page.
const PATIENCE: Duration = Duration::from_secs(60);

/// Which gateway, and as whom.
#[derive(Debug, clap::Args)]
pub(super) struct GatewayArguments {
    /// The configuration of the gateway: it says where it listens.
    #[arg(long, required_unless_present = "url")]
    config: Option<PathBuf>,
    /// FHIR base address of the gateway, where it is not the one of the configuration.
    #[arg(long)]
    url: Option<String>,
    /// Environment variable with the token of a client that has the role `operator`.
    #[arg(long, value_name = "NAME")]
    token_env: Option<String>,
    /// File with that token.
    #[arg(long, value_name = "FILE", conflicts_with = "token_env")]
    token_file: Option<PathBuf>,
}

/// An operation of a running gateway.
pub(super) struct Operation {
    client: reqwest::Client,
    address: String,
    token: String,
}

impl Operation {
    /// The operation at this path behind the FHIR base address.
    pub(super) fn at(arguments: &GatewayArguments, path: &str) -> Result<Self, Exit> {
        let address = format!("{}/{path}", base(arguments)?);
        let token = token(arguments)?;
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build();
        let client = client.map_err(|error| environment(&format!("No HTTP client: {error}.")))?;
        Ok(Self { client, address, token })
    }

    /// Posts Parameters, and gives those that are answered.
    pub(super) async fn post(&self, parameters: &Value) -> Result<Value, Exit> {
        let Self { client, address, token } = self;
        let post = client.post(address).bearer_auth(token).header("content-type", "application/fhir+json");
        let answer = post.body(parameters.to_string()).send().await.map_err(|error| {
            environment(&format!(
                "{address} cannot be reached ({}). Start the gateway, then do it again.",
                error.without_url()
            ))
        })?;
        let status = answer.status();
        let Ok(body) = answer.json::<Value>().await else {
            return Err(environment(&format!("{address} answered {status}, and nothing that can be read.")));
        };
        if !status.is_success() {
            let issues = body["issue"].as_array().into_iter().flatten();
            let words: Vec<&str> = issues
                .filter_map(|issue| issue["details"]["text"].as_str().or(issue["diagnostics"].as_str()))
                .collect();
            complain(&format!("The gateway answered {status}: {}", words.join(" ")));
            return Err(Exit::NotRight);
        }
        Ok(body)
    }
}

/// The parameter of this name.
pub(super) fn parameter<'a>(body: &'a Value, name: &str) -> Option<&'a Value> {
    body["parameter"].as_array().into_iter().flatten().find(|one| one["name"] == name)
}

/// A number among the parameters; none counts as zero.
pub(super) fn count(body: &Value, name: &str) -> u64 {
    parameter(body, name).and_then(|one| one["valueUnsignedInt"].as_u64()).unwrap_or(0)
}

/// The parts of a parameter as an object; parts of one name that have parts themselves are a list.
pub(super) fn flat(parameter: &Value) -> Value {
    let mut object = serde_json::Map::new();
    for part in parameter["part"].as_array().into_iter().flatten() {
        let Some(name) = part["name"].as_str() else { continue };
        if part["part"].is_array() {
            if let Value::Array(list) = object.entry(name).or_insert_with(|| Value::Array(Vec::new())) {
                list.push(flat(part));
            }
            continue;
        }
        let value = part.as_object().and_then(|members| members.iter().find(|(name, _)| name.starts_with("value")));
        if let Some((_, value)) = value {
            object.insert(name.to_owned(), value.get("reference").unwrap_or(value).clone());
        }
    }
    Value::Object(object)
}

fn environment(words: &str) -> Exit {
    complain(words);
    Exit::Environment
}

/// Where this gateway answers: as its clients see it, or on the loopback address on which it listens.
fn base(arguments: &GatewayArguments) -> Result<String, Exit> {
    if let Some(url) = &arguments.url {
        return Ok(url.trim_end_matches('/').to_owned());
    }
    let Some(file) = &arguments.config else { return Err(Exit::Usage) };
    let config = read(file)?;
    let named = config.server.base_url.as_ref().map(|base| base.get_ref().trim_end_matches('/').to_owned());
    Ok(named.unwrap_or_else(|| format!("http://{}/fhir", config.server.listen.get_ref())))
}

fn read(file: &Path) -> Result<config::Config, Exit> {
    config::load(file).map_err(|error| {
        complain(&format!("{}:\n{error}", file.display()));
        Exit::NotRight
    })
}

fn token(arguments: &GatewayArguments) -> Result<String, Exit> {
    let read = match (&arguments.token_env, &arguments.token_file) {
        (Some(name), _) => std::env::var(name).map_err(|_| format!("The environment variable {name} is not set.")),
        (None, Some(file)) => std::fs::read_to_string(file).map_err(|error| format!("{}: {error}.", file.display())),
        (None, None) => {
            complain("Say whose token: --token-env NAME or --token-file FILE, of a client with the role operator.");
            return Err(Exit::Usage);
        }
    };
    read.map(|token| token.trim_end().to_owned()).map_err(|words| environment(&words))
}
